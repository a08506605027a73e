"""Registries that installed packages can add to.

A package names what it brings in its own metadata, as an entry point of one of ondes' groups::

    [project.entry-points."ondes.vocoders"]
    toy = "ondes_toy.vocoder:FAMILY"

Whoever installs a package lets it run code; a configuration or a model folder never names anything that is imported.
"""

import difflib
import logging
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from vocoders.core.errors import ConfigError

__all__ = ["Registry", "unknown_name"]

_logger = logging.getLogger(__name__)

T = TypeVar("T")


class Registry(MutableMapping[str, T], Generic[T]):
    """Things by name: those of ondes, then those of installed packages, which are imported when they are asked for.

    Args:
        word: what one of them is called in messages, such as ``metric``.
        group: group of entry points, such as ``ondes.metrics``.
        own: those of ondes; their names cannot be taken by others.
        expected: class of each of them; ``None``: anything callable.
    """

    def __init__(self, word: str, group: str, own: Mapping[str, T], expected: type | None = None) -> None:
        self.word, self.group = word, group
        self._own, self._expected = dict(own), expected
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """Return what ``name`` means.

        Raises:
            KeyError: if there is nothing of this name.
            ConfigError: if an installed package names something that cannot be imported, or is of another kind.
        """
        if name in self._own:
            return self._own[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(_points(self.group)[name])
        return self._loaded[name]

    def __setitem__(self, name: str, item: T) -> None:
        """Add something for this process alone, as a notebook does."""
        self._own[name] = item

    def __delitem__(self, name: str) -> None:
        """Take away something that this process has."""
        del self._own[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names; nothing is imported."""
        yield from self._own
        for name, point in _points(self.group).items():
            if name not in self._own:
                yield name
            else:
                _warn_taken(self.word, name, _origin(point))

    def __len__(self) -> int:
        """Return the number of names."""
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is something of this name; nothing is imported."""
        return name in self._own or name in _points(self.group)

    def find(self, name: str) -> T:
        """Return what ``name`` means.

        Raises:
            ConfigError: if there is nothing of this name (the message has the nearest or all of them), or an installed
                package brings something that cannot be used.
        """
        if name not in self:
            raise ConfigError(unknown_name(self.word, name, self))
        return self[name]

    def usable(self) -> dict[str, T]:
        """Return everything that can be imported, by name; what cannot is left out with a warning."""
        found = {}
        for name in self:
            try:
                found[name] = self[name]
            except ConfigError as error:
                _logger.warning("left out: %s", error)
        return found

    def origin(self, name: str) -> str:
        """Return the package that brings ``name``."""
        return "ondes" if name in self._own else _origin(_points(self.group)[name])

    def _load(self, point: EntryPoint) -> T:
        where = f"{self.word} '{point.name}' of the package '{_origin(point)}'"
        try:
            found = point.load()
        except Exception as error:  # whatever the code of a stranger raises
            reason = str(error).splitlines()[0] if str(error) else "no message"
            raise ConfigError(f"{where} cannot be imported: {type(error).__name__}: {reason}") from error
        fits = callable(found) if self._expected is None else isinstance(found, self._expected)
        if not fits:
            wanted = "something callable" if self._expected is None else self._expected.__name__
            raise ConfigError(f"{where} is {type(found).__name__} '{point.value}'; expected {wanted}")
        return found


def unknown_name(word: str, name: str, known: Iterable[str]) -> str:
    """Return the message about a name that nothing has: with the nearest one, or all."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known {_plural(word)}: {', '.join(names)}"
    return f"unknown {word} '{name}'; {hint}"


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


@cache
def _warn_taken(word: str, name: str, package: str) -> None:
    _logger.warning("%s '%s' of the package '%s' is left out: ondes has one of this name", word, name, package)


def _origin(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}es" if word.endswith("s") else f"{word}s"
