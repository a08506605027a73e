"""Strict, frozen, typed configuration.

A configuration is a tree of :class:`Config` models, read from YAML or from a dictionary. Anything unexpected is an
error with the full key path, so a misspelt key never becomes a silent default.
"""

import difflib
import json
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Self, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from vocoders.core.errors import ConfigError
from vocoders.core.limits import LIMITS, limit, limit_error
from vocoders.core.regular_files import read_regular

__all__ = ["Config", "apply_override", "parse_yaml", "read_yaml"]


_MOST_DIGITS = 100
# Levels of sections in which a key of another section is looked for, and how many are told.
_DEEPEST = 4
_MOST_HINTS = 3


class Config(BaseModel):
    """A frozen configuration that rejects unknown keys and wrong types."""

    # What other programs call a key: the hint of an error names ours. Such a name is never accepted.
    other_names: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "config", prefix: str = "") -> Self:
        """Check ``data`` against this configuration.

        Args:
            data: plain dictionary, as read from YAML or JSON.
            source: name of the origin of ``data`` in error messages.
            prefix: key path of ``data`` in its source, for error messages.

        Raises:
            ConfigError: for an unknown key, a missing key, a wrong type or a bad value; every problem is listed with
                its full key path.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"{source}: expected a mapping of keys, found {type(data).__name__}")
        try:
            # JSON mode keeps types strict and still takes a list where the field is a tuple.
            return cls.model_validate_json(json.dumps(data))
        except ValidationError as error:
            problems = [_describe(cls, item, prefix) for item in error.errors()]
            raise ConfigError(f"{source}: " + "; ".join(problems)) from None
        except TypeError as error:
            raise ConfigError(f"{source}: {error}") from None

    @classmethod
    def from_yaml(cls, path: str | Path, overrides: Iterable[str] = ()) -> Self:
        """Read a YAML file and apply ``key.path=value`` overrides (values are YAML)."""
        data = read_yaml(path)
        for override in overrides:
            apply_override(data, override)
        return cls.from_dict(data, source=str(path))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; ``from_dict(to_dict())`` returns an equal configuration."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """Return the configuration as YAML text, in field order."""
        return yaml.dump(self.to_dict(), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Loader(yaml.SafeLoader):
    """YAML with the number syntax of version 1.2 (``1e-4`` is a float), without duplicate keys, and bounded."""

    def get_single_node(self) -> yaml.Node | None:
        """Return the only document; refuse one that its aliases make endless, huge or deep."""
        node = super().get_single_node()
        if node is not None:
            self._measure(node, {})
        return node

    def _measure(self, node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
        """Return the number of values in a node and its depth, with every alias replaced."""
        if id(node) in known:
            return known[id(node)]
        # What a node contains of itself.
        known[id(node)] = (limit("nodes") + 1, 0)
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        inner = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in pairs for part in pair]
        sizes = [self._measure(part, known) for part in inner]
        count, depth = 1 + sum(size for size, _ in sizes), 1 + max((depth for _, depth in sizes), default=0)
        for name, found in (("nodes", count), ("depth", depth)):
            if found > limit(name):
                told = f"too large or too deep: {LIMITS[name].meaning}: {limit_error(name, found)}"
                raise yaml.constructor.ConstructorError(None, None, told, node.start_mark)
        known[id(node)] = count, depth
        return known[id(node)]


class _Dumper(yaml.SafeDumper):
    """The counterpart of :class:`_Loader`: text that looks like one of its numbers (``0E0``) is quoted."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"),
        list("-+0123456789."),
    )


def _mapping_without_duplicates(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    # Keys that are lists cannot be compared in this way; the next call refuses them.
    seen = set()
    for key in keys:
        if isinstance(key, Hashable) and (key in seen or seen.add(key)):
            raise yaml.constructor.ConstructorError(None, None, f"key '{key}' occurs twice", node.start_mark)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


def _short_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    if len(node.value) > _MOST_DIGITS:
        raise yaml.constructor.ConstructorError(None, None, f"a number of {len(node.value)} digits", node.start_mark)
    return yaml.SafeLoader.construct_yaml_int(loader, node)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_duplicates)
_Loader.add_constructor("tag:yaml.org,2002:int", _short_number)


def parse_yaml(text: str, source: str = "YAML") -> Any:
    """Parse YAML text; raise :class:`ConfigError` with the line of a mistake, or for a text above the limits."""
    if len(text) > limit("config"):
        raise ConfigError(f"{source}: {limit_error('config', len(text))}")
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{source}:{where} {_first_line(getattr(error, 'problem', None) or error)}") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deep") from None
    # Dates with a thirteenth month, keys that are lists ...
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError) as error:
        raise ConfigError(f"{source}: {_first_line(error)}") from None


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that contains one mapping."""
    path = Path(path)
    try:
        text = read_regular(path, "config").decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read as text: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}") from None
    data = parse_yaml(text, str(path))
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a mapping of keys, found {type(data).__name__}")
    return data


def apply_override(data: dict[str, Any], override: str) -> None:
    """Set ``key.path=value`` in nested dictionaries; the value is YAML.

    Raises:
        ConfigError: if it has another form, or its path leads through a value that is not a dictionary.
    """
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"override '{override}' is not of the form key.path=value")
    *parents, last = key.split(".")
    for parent in parents:
        child = data.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"override '{override}': '{parent}' is not a group of keys")
        data = child
    data[last] = parse_yaml(value, f"override '{override}'")


def _describe(cls: type[BaseModel], item: Mapping[str, Any], prefix: str) -> str:
    """Describe one validation problem, with the full key path and the nearest known key."""
    location = [str(part) for part in item["loc"]]
    path = ".".join([prefix, *location] if prefix else location)
    if item["type"] == "extra_forbidden":
        known = _keys_at(cls, location[:-1])
        near = _meant(cls, location, prefix) or difflib.get_close_matches(location[-1], known, n=1)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known keys: {', '.join(sorted(known))}"
        return f"unknown key '{path}'; {hint}"
    if item["type"] == "missing":
        return f"key '{path}' is missing"
    message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    found = item["input"]
    shown = "" if isinstance(found, (dict, list)) else f", found {found!r}"
    return f"key '{path}': {message}{shown}" if path else f"{message}{shown}"


def _meant(cls: type[BaseModel], location: list[str], prefix: str) -> list[str]:
    """Return what a key of another program is called in its section; else the same key in other sections."""
    *section, name = location
    paths = list(_named(cls, name, [prefix] if prefix else []))
    inside = [path[-1] for path in paths if path[:-1] == ([prefix, *section] if prefix else section)]
    return (inside or list(dict.fromkeys(".".join(path) for path in paths)))[:_MOST_HINTS]


def _named(cls: type[BaseModel], name: str, above: list[str]) -> Iterator[list[str]]:
    """Yield the path of each key that ``name`` means, here or in other programs."""
    for field, info in cls.model_fields.items():
        path = [*above, field]
        if name == field or (issubclass(cls, Config) and name in cls.other_names.get(field, ())):
            yield path
        if len(path) < _DEEPEST:
            for inner in _models_in(info.annotation):
                yield from _named(inner, name, path)


def _keys_at(cls: type[BaseModel], location: list[str]) -> set[str]:
    """Return the names of the fields that are valid at ``location`` below ``cls``."""
    models = [cls]
    for part in location:
        inner = [
            m for model in models if part in model.model_fields for m in _models_in(model.model_fields[part].annotation)
        ]
        models = inner or models
    return {name for model in models for name in model.model_fields}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, dict, list, tuple) or get_args(annotation):
        return [model for argument in get_args(annotation) for model in _models_in(argument)]
    return []
