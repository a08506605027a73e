"""Registries that installed packages can add to.

A package declares its additions in its own metadata, as entry points of ondes' groups::

    [project.entry-points."ondes.vocoders"]
    toy = "ondes_toy.families:TOY"

Installing a package permits it to run code; a configuration or a model folder never names anything that is imported.
"""

import difflib
import importlib.util
import inspect
import logging
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, MutableMapping, ValuesView
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Generic, Protocol, TypeVar

from vocoders.core.errors import ConfigError, OndesError

__all__ = ["Plugin", "Registry", "check_name", "import_place", "refresh", "unknown_name"]

_logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Plugin:
    """An addition from an installed package.

    Attributes:
        group: group of entry points, such as ``ondes.metrics``.
        name: name of the addition.
        package: distribution that provides it, with its version.
        place: import path of the code, ``module:name``.
        problem: fault in one line; empty if it can be used.
    """

    group: str
    name: str
    package: str
    place: str
    problem: str = ""

    @classmethod
    def of(cls, point: EntryPoint, problem: str = "") -> "Plugin":
        """Describe an entry point and its fault."""
        package = _package(point)
        if point.dist is not None:
            package += f" {point.dist.version}"
        return cls(point.group, point.name, package, point.value, problem)


class Registry(MutableMapping[str, T], Generic[T]):
    """Items by name: those of ondes, then those of installed packages, which are imported on first use.

    Iterating over names imports nothing. ``values()`` and ``items()`` import everything and leave out broken items,
    with a warning. Registries of the same word share their names, since a model folder names its family alone.

    Args:
        word: name of an item in messages, such as ``metric``.
        group: group of entry points, such as ``ondes.metrics``.
        own: the items of ondes; packages cannot replace them.
        expected: class of each item; ``None``: anything callable.
        is_class: whether each item is a subclass of ``expected``, not an instance.
        reserved: returns further names that are not available, since they have another meaning on the command line.
        check: checks an item from a package and raises a :class:`ConfigError` if it cannot be used.
    """

    def __init__(
        self,
        word: str,
        group: str,
        own: Mapping[str, T],
        expected: type | None = None,
        *,
        is_class: bool = False,
        reserved: Callable[[], Iterable[str]] = tuple,
        check: Callable[[str, Any], None] | None = None,
    ) -> None:
        self.word, self.group = word, group
        self._own, self._reserved = dict(own), reserved
        self._expected, self._is_class, self._check = expected, is_class, check
        self._imported: dict[EntryPoint, T | ConfigError] = {}
        _own_names.setdefault(word, {})[group] = self._own

    def __getitem__(self, name: str) -> T:
        """Return the item called ``name``.

        Raises:
            KeyError: if there is none.
            ConfigError: if the item of an installed package cannot be imported, or is of another kind.
        """
        if name in self._own:
            return self._own[name]
        return self._import(self._points()[name])

    def __setitem__(self, name: str, item: T) -> None:
        """Add an item for this process alone, for example in a notebook."""
        self._own[name] = item

    def __delitem__(self, name: str) -> None:
        """Remove an item that was added in this process."""
        del self._own[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names; nothing is imported."""
        yield from self._own
        yield from self._points()

    def __len__(self) -> int:
        """Return the number of names."""
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is an item of this name; nothing is imported."""
        return name in self._own or name in self._points()

    def values(self) -> ValuesView[T]:
        """Return the usable items."""
        return self.usable().values()

    def items(self) -> ItemsView[str, T]:
        """Return the usable items with their names."""
        return self.usable().items()

    def find(self, name: str) -> T:
        """Return the item called ``name``.

        Raises:
            ConfigError: if there is none (the message has the nearest name, or all names), or if the item of an
                installed package cannot be used.
        """
        if name not in self:
            raise ConfigError(unknown_name(self.word, name, self))
        return self[name]

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Name item and package in any error of a block that makes or calls an item of an installed package.

        Errors in ondes' own items stay as they are: they are faults of ondes.

        Raises:
            ConfigError: in place of any error but an :class:`OndesError`.
        """
        point = None if name in self._own else self._points().get(name)
        try:
            yield
        except (OndesError, KeyboardInterrupt):
            raise
        except (Exception, SystemExit) as error:
            if point is None:
                raise
            where = self._where(point)
            _logger.debug("%s failed", where, exc_info=True)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigError(f"{where} failed: {reason:.200} (-v shows where)") from error

    def usable(self) -> dict[str, T]:
        """Return all items that can be imported, by name; others are left out with a warning."""
        found = {}
        for name in self:
            try:
                found[name] = self[name]
            except ConfigError as error:
                _warn_once(f"left out: {error}")
        return found

    def added(self) -> list[str]:
        """Return the names that installed packages add; nothing is imported."""
        return list(self._points())

    def origin(self, name: str) -> str:
        """Return the package that provides ``name``."""
        return "ondes" if name in self._own else _package(self._points()[name])

    def summary(self, name: str) -> str:
        """Return the first line of a docstring, empty if there is none; items of packages are not imported."""
        if name in self._own:
            text = inspect.getdoc(self._own[name])
        else:
            text = _read_docstring(self._points()[name])
        return text.strip().splitlines()[0] if text and text.strip() else ""

    def plugins(self) -> list[Plugin]:
        """Import all additions of installed packages, and return each with its fault, if any."""
        found = []
        for point in _points(self.group):
            problem = self._refusal(point)
            if not problem:
                try:
                    self._import(point)
                except ConfigError as error:
                    problem = str(error)
            found.append(Plugin.of(point, problem))
        return found

    def _points(self) -> dict[str, EntryPoint]:
        """Return the additions of packages by name, without refused ones."""
        found = {}
        for point in _points(self.group):
            if refusal := self._refusal(point):
                _warn_once(f"left out: {refusal}")
            else:
                found[point.name] = point
        return found

    def _refusal(self, point: EntryPoint) -> str:
        """Return the reason why the name of an entry point is not available; empty if it is."""
        first = next(other for other in _points(self.group) if other.name == point.name)
        alike = (own for group, own in _own_names[self.word].items() if group != self.group)
        if any(point.name in names for names in (self._own, *alike, self._reserved())):
            owner = "ondes"
        elif first is not point:
            owner = f"the package '{_package(first)}'"
        else:
            return ""
        return f"{self._where(point)}: the name is taken by {owner}; its author must choose another"

    def _where(self, point: EntryPoint) -> str:
        return f"{self.word} '{point.name}' of the package '{_package(point)}'"

    def _import(self, point: EntryPoint) -> T:
        if point not in self._imported:
            try:
                self._imported[point] = self._load(point)
            except ConfigError as error:
                self._imported[point] = error
        found = self._imported[point]
        if isinstance(found, ConfigError):
            raise found.with_traceback(None)
        return found

    def _load(self, point: EntryPoint) -> T:
        where = self._where(point)
        found = import_place(point.value, where)
        if not self._fits(found):
            expected = "something callable"
            if self._expected is not None:
                expected = f"{'a subclass' if self._is_class else 'an instance'} of {self._expected.__name__}"
            kind = f"the class {found.__name__}" if isinstance(found, type) else f"a {type(found).__name__}"
            raise ConfigError(f"{where} is {kind}, from '{point.value}'; expected {expected}")
        if self._check is not None:
            try:
                self._check(point.name, found)
            except ConfigError as error:
                raise ConfigError(f"{where}: {error}") from error
        return found

    def _fits(self, found: Any) -> bool:
        if self._expected is None:
            return callable(found)
        if self._is_class:
            return isinstance(found, type) and issubclass(found, self._expected)
        return isinstance(found, self._expected)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def check_name(name: str, item: _Named) -> None:
    """Raise a :class:`ConfigError` if the name of an item is not that of its entry point."""
    if item.name != name:
        raise ConfigError(f"its name is '{item.name}'; expected the name of its entry point")


def import_place(place: str, what: str) -> Any:
    """Import ``module:name``.

    Args:
        place: import path from code, ours or that of an installed package, never from a file that is passed on.
        what: description of the object, for the message.

    Raises:
        ConfigError: if it cannot be imported, for any error in that code; ``ondes -v`` shows the traceback.
        OndesError: if that code raises it, such as a :class:`MissingExtraError`.
    """
    try:
        return resolve_name(place.partition("[")[0].strip())
    except OndesError:
        raise
    except (Exception, SystemExit) as error:
        _logger.debug("%s cannot be imported", what, exc_info=True)
        reason = str(error).splitlines()[0] if str(error) else "no message"
        raise ConfigError(f"{what} cannot be imported: {type(error).__name__}: {reason}") from error


def unknown_name(word: str, name: str, known: Iterable[str]) -> str:
    """Return the message about an unknown name, with the nearest name, or all names."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known {_plural(word)}: {', '.join(names)}"
    return f"unknown {word} '{name}'; {hint}"


def refresh() -> None:
    """Look up installed packages again, for example after ``pip install`` in a running notebook."""
    importlib.invalidate_caches()
    _points.cache_clear()
    _warn_once.cache_clear()


# By the word of registries, then by their group: names of ondes that packages cannot take.
_own_names: dict[str, dict[str, Mapping[str, Any]]] = {}


@cache
def _points(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group, in an order that does not depend on the file system."""
    return tuple(sorted(entry_points(group=group), key=lambda point: (_package(point), point.name, point.value)))


@cache
def _warn_once(text: str) -> None:
    _logger.warning("%s", text)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(":")[0].partition(".")[0]


def _read_docstring(point: EntryPoint) -> str | None:
    """Return the docstring of a function or class from its file, without importing parents, as find_spec would."""
    import ast

    module, _, name = point.value.partition(":")
    first, *rest = module.strip().split(".")
    try:
        spec = importlib.util.find_spec(first)
        for depth, _ in enumerate(rest, 1):
            if spec is None:
                return None
            spec = PathFinder.find_spec(".".join([first, *rest[:depth]]), spec.submodule_search_locations)
        if spec is None or spec.origin is None:
            return None
        tree = ast.parse(Path(spec.origin).read_bytes())
    except Exception:  # whatever is wrong is told where it is imported
        return None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name.strip():
            return ast.get_docstring(node)
    return None


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}es" if word.endswith("s") else f"{word}s"
