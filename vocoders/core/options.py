"""Options of synthesis, declared by each system.

A vocoder or a generator declares its options (solver steps, a factor on F0, a temperature) as one
:class:`SynthesisOptions`: name, type, range, default and one sentence of help for each. The command line, the demo and
the benchmark build their options from the declaration, just as they build dials from the knobs of an effect.
"""

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import ConfigDict, Field
from pydantic.fields import FieldInfo

from vocoders.core.config import Config, parse_yaml
from vocoders.core.errors import ConfigError
from vocoders.core.plugins import unknown_name

__all__ = ["Option", "OptionKind", "SynthesisOptions", "f0_scale_of", "option"]

OptionKind = Literal["integer", "number", "numbers", "choice", "switch"]


@dataclass(frozen=True)
class Option:
    """One declared option.

    Attributes:
        name: in Python and in result files.
        title: name for people.
        kind: ``integer``, ``number``, ``numbers`` (several, separated by commas), ``choice`` or ``switch``.
        help: one sentence.
        default: declared default; a model may have its own.
        is_optional: whether ``None`` is allowed.
        choices: the values of a ``choice``.
        dial: range of a slider, ends included; values beyond it may be allowed.
        spellings: other names of the option.
    """

    name: str
    title: str
    kind: OptionKind
    help: str
    default: Any
    is_optional: bool
    choices: tuple[str, ...] = ()
    dial: tuple[float, float] | None = None
    spellings: tuple[str, ...] = ()

    def parse(self, text: str) -> Any:
        """Return the value of a text such as ``4``, ``0.667``, ``1.1,0.9`` or ``none``.

        Limits are checked when the options are built.

        Raises:
            ConfigError: if the text is not a number where one is needed.
        """
        stripped = text.strip()
        if self.is_optional and stripped.lower() == "none":
            return None
        if self.kind in ("choice", "switch"):
            return stripped if self.kind == "choice" else parse_yaml(stripped, self.name)
        numbers = [parse_yaml(part, self.name) for part in stripped.strip("[]()").split(",")]
        if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
            expected = "numbers separated by commas" if self.kind == "numbers" or len(numbers) > 1 else "a number"
            raise ConfigError(f"{self.name} '{text}'; expected {expected}")
        return numbers if self.kind == "numbers" or len(numbers) > 1 else numbers[0]


def option(default: Any, dial: tuple[float, float] | None = None, **limits: Any) -> Any:
    """Return the field of an option; the docstring below it is its help.

    Args:
        default: the default value.
        dial: range of a slider.
        **limits: limits of pydantic's ``Field``, such as ``gt=0``, or a ``title`` if the name makes a poor one.
    """
    return Field(default, json_schema_extra={"dial": list(dial)} if dial is not None else None, **limits)


_UNITS = (("_seconds", "s"), ("_hz", "Hz"), ("_db", "dB"))


class SynthesisOptions(Config):
    """Options of synthesis; a subclass declares one field for each option.

    The docstring below a field is its help: one sentence that begins with a verb or a noun.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    # Other spellings, each with the name of its field.
    spellings: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def declared(cls) -> tuple[Option, ...]:
        """Return the options in the order of their declaration."""
        return tuple(_option(cls, name, field) for name, field in cls.model_fields.items())

    @classmethod
    def declared_for(cls, config: Mapping[str, Any]) -> tuple[Option, ...]:
        """Return the options of a model with this configuration; a subclass leaves out impossible ones."""
        del config
        return cls.declared()

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the default options of a model with this configuration.

        By convention its section ``sampling`` contains those that differ from the declared defaults.

        Raises:
            ConfigError: if it contains an impossible value.
        """
        sampling = config.get("sampling")
        own = sampling if isinstance(sampling, Mapping) else {}
        return cls.from_dict({key: own[key] for key in own if key in cls.model_fields}, "sampling")

    def changed(self, source: str = "options", **changes: Any) -> Self:
        """Return these options with ``changes``.

        Args:
            source: name of the origin of the changes in error messages.
            **changes: values by name.

        Raises:
            ConfigError: for a name that is not declared, or an impossible value.
        """
        if not changes:
            return self
        fields = type(self).model_fields
        named = {self.spellings.get(name, name): value for name, value in changes.items()}
        for name in named:
            if name not in fields:
                found = (
                    unknown_name("option", name, fields) if fields else f"unknown option '{name}'; it has no options"
                )
                raise ConfigError(f"{source}: {found}")
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}
        return type(self).from_dict(self.to_dict() | plain, source)


def f0_scale_of(options: SynthesisOptions) -> float:
    """Return the factor on F0: every vocoder with adjustable pitch declares an option of this name; 1 for others."""
    return options.to_dict().get("f0_scale", 1.0)


def _option(cls: type[SynthesisOptions], name: str, field: FieldInfo) -> Option:
    annotation, is_optional = _without_none(field.annotation)
    kind, choices = _kind(annotation)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    low_high: Any = extra.get("dial")
    dial = (float(low_high[0]), float(low_high[1])) if isinstance(low_high, list) else None
    spellings = tuple(other for other, meant in cls.spellings.items() if meant == name)
    text = " ".join((field.description or "").split())
    words, unit = next(
        ((name.removesuffix(end), f" ({unit})") for end, unit in _UNITS if name.endswith(end)), (name, "")
    )
    title = field.title or words.replace("_", " ").capitalize() + unit
    return Option(name, title, kind, text, field.default, is_optional, choices, dial, spellings)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    parts = [part for part in get_args(annotation) if part is not type(None)]
    # A union of one number and several: users may give one number alone.
    others = [part for part in parts if get_origin(part) is not tuple] or parts
    if len(others) != 1:
        raise TypeError(f"an option has one type, perhaps with None, not {annotation}")
    return others[0], True


def _kind(annotation: Any) -> tuple[OptionKind, tuple[str, ...]]:
    if get_origin(annotation) is Literal:
        return "choice", get_args(annotation)
    if get_origin(annotation) is tuple:
        return "numbers", ()
    kinds: dict[Any, OptionKind] = {bool: "switch", int: "integer", float: "number"}
    if annotation not in kinds:
        raise TypeError(f"an option is a number, several numbers, a choice or a switch, not {annotation}")
    return kinds[annotation], ()
