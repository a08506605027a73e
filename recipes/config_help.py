"""What the keys of a training configuration mean: from the classes that check them, and their docstrings."""

import difflib
import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

import effects.registry
import vocoders.registry
from recipes.config import TrainConfig
from recipes.data.effects.config import EffectDataConfig
from recipes.families import find_family
from recipes.objectives import OBJECTIVES
from vocoders.core.config import Config
from vocoders.core.errors import ConfigError

__all__ = ["Key", "explain"]

_DEEPEST = 4


@dataclass(frozen=True)
class Key:
    """A key of a configuration.

    Attributes:
        path: such as ``optimizer.learning_rate``.
        where: in which configurations it exists, such as ``family wavehax``; empty if in all.
        values: which values it can have, in words.
        default: as in YAML; ``None`` if there is none.
        meaning: from the docstring.
        other_names: what other programs call it.
    """

    path: str
    where: str
    values: str
    default: str | None
    meaning: str
    other_names: tuple[str, ...] = ()


def explain(key: str, family: str | None = None, objective: str | None = None) -> list[Key]:
    """Return a key, or all keys of a section.

    Args:
        key: path such as ``optimizer.learning_rate``, a section such as ``data``, the last part of a path, or what
            another program calls it, such as ``lr``.
        family: leave out the models of other families.
        objective: leave out the options of other objectives.

    Raises:
        ConfigError: for a key that does not exist; the message names the nearest.
    """
    keys = list(_keys(family, objective))
    found = _within(keys, [key]) or [known for known in keys if known.path.endswith(f".{key}")]
    name = key.rpartition(".")[2]
    found = found or _within(keys, [known.path for known in keys if name in known.other_names])
    if not found:
        names = {known.path for known in keys} | {known.path.rpartition(".")[2] for known in keys}
        near = difflib.get_close_matches(key, names, 1, 0.5)
        hint = f"did you mean '{near[0]}'?" if near else "'ondes config explain' lists the sections"
        raise ConfigError(f"no configuration has the key '{key}'; {hint}")
    return found


def _within(keys: list[Key], paths: list[str]) -> list[Key]:
    """Return the keys at ``paths`` and below."""
    return [known for known in keys if any(f"{known.path}.".startswith(f"{path}.") for path in paths)]


def _keys(family: str | None, objective: str | None) -> Iterator[Key]:
    yield from _of_class(TrainConfig, "", "")
    yield from _of_class(EffectDataConfig, "effect.", "effects")
    names = (*vocoders.registry.FAMILIES, *effects.registry.FAMILIES) if family is None else (family,)
    for name in names:
        yield from _of_class(find_family(name).model_class.config_class, "model.", f"family {name}")
    for name in OBJECTIVES if objective is None else (objective,):
        yield from _of_class(OBJECTIVES.find(name).Options, "objective.", f"objective {name}")


def _of_class(config: type[Config], prefix: str, where: str) -> Iterator[Key]:
    meanings = _meanings(config)
    for name, info in config.model_fields.items():
        value = info.get_default(call_default_factory=True)
        default = None if info.is_required() or isinstance(value, Config) else _written(value)
        others = config.other_names.get(name, ())
        yield Key(prefix + name, where, _values(info), default, meanings.get(name, ""), others)
        if prefix.count(".") < _DEEPEST:
            for nested in _configs(info.annotation):
                yield from _of_class(nested, f"{prefix}{name}.", where)


def _configs(annotation: Any) -> Iterator[type[Config]]:
    """Yield the configurations that a value may be; the elements of lists and mappings have no path."""
    if inspect.isclass(annotation) and issubclass(annotation, Config):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, Annotated):
        for part in get_args(annotation):
            yield from _configs(part)


def _meanings(config: type[Config]) -> dict[str, str]:
    """Return the text of each attribute, from the docstrings of a class and its parents."""
    found: dict[str, str] = {}
    for cls in reversed(config.__mro__):
        document = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
        section = re.search(r"^Attributes:\n((?:    .*\n?|\n)+)", document, re.MULTILINE)
        for entry in re.finditer(r"^    (\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE):
            found[entry[1]] = entry[2]
    found |= {name: info.description for name, info in config.model_fields.items() if info.description}
    return {name: _plain(text) for name, text in found.items()}


def _plain(text: str) -> str:
    """Return a docstring's text as a terminal shows it."""
    text = re.sub(r":\w+:`~?([\w.]+)`", r"\1", " ".join(text.split()))
    return text.replace("``None``", "null").replace("``", "'")


def _values(info: FieldInfo) -> str:
    """Return the type and the limits of a value in words."""
    limits = {"Gt": "above {gt}", "Ge": "at least {ge}", "Lt": "below {lt}", "Le": "at most {le}"}
    told = [
        limits[type(part).__name__].format(**{type(part).__name__.lower(): getattr(part, type(part).__name__.lower())})
        for part in info.metadata
        if type(part).__name__ in limits
    ]
    return ", ".join([_kind(info.annotation), *told])


def _kind(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(str, parts))
    if origin in (Union, types.UnionType):
        return " or ".join("null" if part is type(None) else _kind(part) for part in parts)
    if origin is Annotated:
        return _kind(parts[0])
    if origin is tuple:
        listed = [_kind(part) for part in parts if part is not Ellipsis]
        return f"list of {listed[0]}s" if Ellipsis in parts else f"list of {len(parts)}: {', '.join(listed)}"
    if origin in (dict, list):
        return "mapping" if origin is dict else f"list of {_kind(parts[0])}s"
    words = {bool: "true | false", int: "integer", float: "number", str: "text"}
    return words.get(annotation) or ("section" if any(_configs(annotation)) else str(annotation))


def _written(value: Any) -> str:
    """Return a value as YAML in one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(inner)}" for key, inner in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)
