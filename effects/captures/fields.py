"""Checked access to the fields of JSON files from anywhere: every value has a type and a range, and errors a place."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from vocoders.core.errors import CheckpointError
from vocoders.core.json_files import read_json as read_json_file

__all__ = ["Fields", "read_json", "shortest"]

# Characters of a value that a message shows.
_SHOWN = 40
_MISSING: Any = object()
_LARGEST = float(np.finfo(np.float32).max)


def read_json(path: Path) -> "Fields":
    """Read a JSON file that contains one object.

    Raises:
        CheckpointError: if it cannot be read, is too large or too deep, or is no JSON object.
    """
    try:
        content = read_json_file(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: no JSON text ({error}); download it again") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: found {_show(content)}; expected a JSON object")
    return Fields(content, path.name)


class Fields:
    """A JSON object with its place in a file.

    Args:
        content: the object.
        place: path of the object, for messages.
    """

    def __init__(self, content: Mapping[str, Any], place: str) -> None:
        self.content, self.place = content, place

    def fail(self, text: str) -> NoReturn:
        """Raise a :class:`CheckpointError` about this object."""
        raise CheckpointError(f"{self.place}: {text}")

    def has(self, name: str) -> bool:
        """Return whether a field is present and not null."""
        return self.content.get(name) is not None

    def whole(self, name: str, least: int, most: int, default: int = _MISSING) -> int:
        """Return a whole number; a default stands for a missing field or null."""
        value = self._get(name, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self._refuse(name, value, f"a whole number {least} .. {most}")
        return value

    def number(self, name: str, least: float = -_LARGEST, most: float = _LARGEST, default: float = _MISSING) -> float:
        """Return a finite number."""
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            self._refuse(name, value, f"a number {least:g} .. {most:g}")
        return float(value)

    def flag(self, name: str, default: bool = _MISSING) -> bool:
        """Return a truth value."""
        value = self._get(name, default)
        if value in (0, 1) and not isinstance(value, float):
            value = bool(value)
        if not isinstance(value, bool):
            self._refuse(name, value, "true or false")
        return value

    def text(self, name: str, default: str = _MISSING) -> str:
        """Return a text."""
        value = self._get(name, default)
        if not isinstance(value, str):
            self._refuse(name, value, "a text")
        return value

    def each(self, name: str, most: int) -> list[Any]:
        """Return a list of at most this many entries, of any kind."""
        value = self._get(name)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            self._refuse(name, value, f"a list of 1 .. {most} entries")
        return value

    def wholes(self, name: str, least: int, most: int, count: int) -> tuple[int, ...]:
        """Return a list of at most ``count`` whole numbers."""
        entries = self.each(name, count)
        return tuple(self.entry(name, index, value).whole("", least, most) for index, value in enumerate(entries))

    def inner(self, name: str) -> "Fields":
        """Return the object in a field."""
        value = self._get(name)
        if not isinstance(value, dict):
            self._refuse(name, value, "an object")
        return Fields(value, f"{self.place}.{name}")

    def optional(self, name: str) -> "Fields | None":
        """Return the object in a field; ``None`` if it is missing, null or false."""
        return None if self.content.get(name) in (None, False) else self.inner(name)

    def objects(self, name: str, most: int) -> Iterator["Fields"]:
        """Yield the objects in a list of at most ``most``."""
        for index, value in enumerate(self.each(name, most)):
            if not isinstance(value, dict):
                self._refuse(f"{name}[{index}]", value, "an object")
            yield Fields(value, f"{self.place}.{name}[{index}]")

    def entry(self, name: str, index: int, value: Any) -> "Fields":
        """Return a value that is no object as the field ``""`` of one, with its place."""
        return Fields({"": value}, f"{self.place}.{name}[{index}]")

    def array(self, name: str, *shape: int) -> np.ndarray:
        """Return nested lists of finite numbers as an array of float32 with exactly this shape."""
        value = self._get(name)
        self._check_shape(name, value, shape)
        flat = value
        for _ in shape[1:]:
            flat = [entry for row in flat for entry in row]
        return self.floats(name, flat).reshape(shape)

    def floats(self, name: str, values: Sequence[Any]) -> np.ndarray:
        """Return a flat list of finite numbers as float32."""
        if not set(map(type, values)) <= {int, float}:
            wrong = next(value for value in values if type(value) not in (int, float))
            self._refuse(name, wrong, "numbers alone")
        try:
            numbers = np.array(values, dtype=np.float64)
        except OverflowError:  # Python's whole numbers have no bound
            self.fail(f"{name} contains a huge number; expected finite numbers of single precision")
        beyond = ~(np.abs(numbers) <= _LARGEST)
        if beyond.any():
            bad = int(np.flatnonzero(beyond)[0])
            self.fail(f"{name}[{bad}] is {_show(values[bad])}; expected finite numbers of single precision")
        return numbers.astype(np.float32)

    def _check_shape(self, name: str, value: Any, shape: tuple[int, ...]) -> None:
        rows = [value]
        for depth, size in enumerate(shape):
            for row in rows:
                if not isinstance(row, list) or len(row) != size:
                    found = f"{len(row)} entries" if isinstance(row, list) else _show(row)
                    self.fail(f"{name} has {found} where {size} are expected, for sizes {list(shape)}")
            if depth + 1 < len(shape):
                rows = [entry for row in rows for entry in row]

    def _get(self, name: str, default: Any = _MISSING) -> Any:
        value = self.content.get(name)
        if value is not None:
            return value
        if default is _MISSING:
            self.fail(f"'{name}' is missing; the file is incomplete or of another kind")
        return default

    def _refuse(self, name: str, value: Any, expected: str) -> NoReturn:
        self.fail(f"{name + ' is ' if name else ''}{_show(value)}; expected {expected}")


def shortest(values: np.ndarray) -> list[float]:
    """Return the shortest decimals that give the same numbers of single precision."""
    return [float(text) for text in values.astype(np.float32).astype(str)]


def _show(value: Any) -> str:
    """Return a value as short text."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) > 1 << 64:
        return "a huge number"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
