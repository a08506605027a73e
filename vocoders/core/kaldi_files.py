"""Matrices in Kaldi's archives (``.ark``) and tables (``.scp``), read by kaldiio without running anything.

kaldiio also unpickles entries and runs the commands of tables; both execute what the file says, so they are refused
here.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from vocoders.core.errors import DataError, MissingExtraError
from vocoders.core.limits import limit, limit_error
from vocoders.core.regular_files import open_regular
from vocoders.core.text import read_lines

__all__ = ["is_kaldi", "list_archive", "read_archive", "read_entry", "read_table"]

_BINARY = b"\0B"
_LONGEST_KEY = 400


def is_kaldi(data: bytes) -> bool:
    """Return whether the content is a matrix or an archive of Kaldi, in binary or as text."""
    start = data[:_LONGEST_KEY]
    return start.startswith(_BINARY) or b" " + _BINARY in start or (b" [" in start and b"\0" not in start)


def read_archive(path: str | Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the key and the array of each entry of an ``.ark`` file; a single matrix has the key ``""``.

    Raises:
        DataError: if the file is damaged, or an entry is anything but numbers.
        MissingExtraError: without kaldiio.
    """
    for key, _, array in _entries(path):
        yield key, array


def list_archive(path: str | Path) -> dict[str, int]:
    """Return the byte offset of each entry of an ``.ark`` file by its key; errors as :func:`read_archive`."""
    return {key or Path(path).stem: offset for key, offset, _ in _entries(path)}


def _entries(path: str | Path) -> Iterator[tuple[str, int, np.ndarray]]:
    _import()
    try:
        with _open(path) as stream:
            start = stream.read(_LONGEST_KEY)
            stream.seek(0)
            if start.startswith(_BINARY) or start.lstrip().startswith(b"["):
                yield "", 0, _read(stream, str(path))
                return
            while (key := _read_key(stream)) is not None:
                yield key, stream.tell(), _read(stream, f"{path}:{key}")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise DataError(f"{path}: damaged, or no archive of Kaldi: {error}") from None


def read_table(path: str | Path) -> dict[str, tuple[Path, int]]:
    """Return the file and the byte offset of each entry of an ``.scp`` table; the offset is 0 for a file alone.

    A relative path counts from the working directory, as in Kaldi, else from the folder of the table.

    Raises:
        DataError: for a line of another form, a command, or a repeated key.
    """
    found: dict[str, tuple[Path, int]] = {}
    for number, line in read_lines(path, "table"):
        key, _, rest = line.partition(" ")
        rest = rest.strip()
        if "|" in rest:
            raise DataError(
                f"{path} line {number}: '{key}' is a command, which is not run; write the matrices to files"
            )
        file, _, offset = rest.rpartition(":")
        if not offset.isdecimal():
            file, offset = rest, "0"
        if not file or file.endswith("]"):
            raise DataError(f"{path} line {number}: '{line[:60]}'; expected '<id> <file>' or '<id> <file>:<offset>'")
        if key in found:
            raise DataError(f"{path} line {number}: '{key}' occurs twice")
        try:
            place = Path(file).expanduser()
            beside = Path(path).parent / place
            found[key] = (beside if not place.exists() and beside.exists() else place, int(offset))
        except (OSError, RuntimeError, ValueError) as error:  # a name that the system refuses, an unknown user
            raise DataError(f"{path} line {number}: '{line[:60]}' names no file: {error}") from None
    return found


def read_entry(path: str | Path, offset: int) -> np.ndarray:
    """Return the array at a byte offset of an ``.ark`` file; errors as :func:`read_archive`."""
    _import()
    try:
        with _open(path) as stream:
            stream.seek(offset)
            return _read(stream, f"{path}:{offset}")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, OverflowError) as error:  # a name or a place that no file has
        raise DataError(f"{path}:{offset}: no place in an archive: {error}") from None


class _Bounded(io.BufferedReader):
    """A file of which no entry is read that is larger than the limit ``numbers``, whatever its header states."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes."""
        if size is not None and size > limit("numbers"):
            raise ValueError(f"its header states {limit_error('numbers', size)}")
        return super().read(size)


def _open(path: str | Path) -> _Bounded:
    return _Bounded(open_regular(path).detach())  # pyright: ignore[reportAttributeAccessIssue]  (a BufferedReader)


def _read_key(stream: IO[bytes]) -> str | None:
    """Return the characters before the next space; ``None`` at the end of the file."""
    key = b""
    while len(key) <= _LONGEST_KEY and (byte := stream.read(1)) not in (b"", b" "):
        key += byte
    if len(key) > _LONGEST_KEY:
        raise ValueError(f"no key of an entry in {_LONGEST_KEY} bytes")
    return key.decode("utf-8").strip() or None


def _read(stream: IO[bytes], name: str) -> np.ndarray:
    place = stream.tell()
    start = stream.read(5)
    stream.seek(place)
    if not (start.startswith(_BINARY) or start.lstrip()[:1] in (b"[", b"")):
        found = "a pickle, which could run code" if start.startswith(b"PKL") else repr(start)
        raise DataError(f"{name}: expected a matrix of Kaldi, found {found}")
    try:
        array = _import().read_kaldi(stream)
    except Exception as error:  # a damaged matrix raises errors of any type
        raise DataError(f"{name}: damaged, or no matrix of Kaldi: {str(error) or type(error).__name__}") from None
    if stream.tell() <= place:  # kaldiio looks back from the end of a file, where it would begin again for ever
        raise DataError(f"{name}: truncated: there is no matrix after its key")
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise DataError(f"{name}: expected a matrix of numbers")
    return array.copy()  # kaldiio's arrays cannot be written to


def _import() -> Any:
    try:
        from kaldiio import matio
    except ImportError:
        raise MissingExtraError("kaldiio", "kaldi", "reading archives of Kaldi") from None
    return matio
