"""Knobs: the parameters of an effect that a user sets.

The same :class:`KnobSet` is part of the configuration of a model and of its ``config.json``, parses the input of a user
(``attack=5ms``), defines the dials of the demo and computes the inputs of networks. A *value* is in the unit of the
knob; a *position* is the place on the dial, from 0 to 1; a *normalised* number is the position scaled to the range of a
network's training.
"""

import difflib
import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from effects.quantities import Quantity, Unit
from vocoders.core.config import Config
from vocoders.core.errors import ConfigError, ShapeError

__all__ = ["Knob", "KnobSet", "Scale", "Unit"]

_logger = logging.getLogger(__name__)

Scale = Literal["linear", "log", "db", "switch", "int"]


class Knob(Config):
    """One knob.

    Attributes:
        name: name that users type.
        label: text on the dial; empty: the name.
        unit: unit of ``min``, ``max``, ``default`` and of every value (seconds, never milliseconds).
        min: smallest value.
        max: largest value.
        default: default value.
        scale: scale of the dial: ``linear``; ``log`` (equal ratios, equal distances); ``db`` (a level, linear in
            decibels); ``int`` (whole numbers); ``switch`` (the choices, numbered from 0).
        choices: names of a switch's positions.
        smoothing_ms: time constant of changes; 0, and every ``int`` and ``switch``: changes at once.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    label: str = ""
    unit: Unit = ""
    min: float = Field(allow_inf_nan=False)
    max: float = Field(allow_inf_nan=False)
    default: float = Field(allow_inf_nan=False)
    scale: Scale = "linear"
    choices: tuple[str, ...] | None = None
    smoothing_ms: float = Field(default=20.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check(self) -> "Knob":
        if not self.min < self.max:
            raise ValueError(f"knob '{self.name}': min {self.min:g} is not below max {self.max:g}")
        if not self.min <= self.default <= self.max:
            raise ValueError(f"knob '{self.name}': default {self.default:g} lies outside {self.min:g} .. {self.max:g}")
        if self.scale == "log" and self.min <= 0:
            raise ValueError(f"knob '{self.name}': a logarithmic scale needs a min above 0, found {self.min:g}")
        if self.scale == "db" and self.unit != "dB":
            raise ValueError(f"knob '{self.name}': scale 'db' needs unit 'dB', found '{self.unit}'")
        if self.is_discrete and any(number != round(number) for number in (self.min, self.max, self.default)):
            raise ValueError(f"knob '{self.name}': scale '{self.scale}' needs whole numbers")
        positions = tuple(range(len(self.choices or ())))
        if (self.scale == "switch") != bool(positions) or (positions and (self.min, self.max) != (0, positions[-1])):
            raise ValueError(
                f"knob '{self.name}': choices need scale 'switch', min 0, and max the last choice's number"
            )
        return self

    @classmethod
    def switch(cls, name: str, choices: Iterable[str] = ("off", "on"), default: int = 0, label: str = "") -> "Knob":
        """Return a switch between ``choices``."""
        choices = tuple(choices)
        last = len(choices) - 1
        return cls(name=name, label=label, min=0, max=last, default=default, scale="switch", choices=choices)

    @property
    def is_discrete(self) -> bool:
        """Whether the knob jumps from value to value."""
        return self.scale in ("int", "switch")

    def parse(self, text: str) -> float:
        """Return the value of a text such as ``5ms``, ``-3,5 dB``, ``1.2 kHz``, ``4:1``, ``30%``, ``on``.

        A comma is a decimal sign, like a point.

        Raises:
            ConfigError: if it is not a number, or its unit does not fit this knob.
        """
        stripped = text.strip()
        if self.choices is not None and stripped.lower() in (names := [choice.lower() for choice in self.choices]):
            return float(names.index(stripped.lower()))
        found = Quantity.parse(stripped)
        if found is None:
            expected = f"one of {', '.join(self.choices)}" if self.choices else f"a number{self._unit_hint()}"
            raise ConfigError(f"knob '{self.name}': '{text}' is not understood; expected {expected}")
        if self.unit not in found.units:
            raise ConfigError(
                f"knob '{self.name}': unit '{found.suffix}' in '{text}' is not known here; expected a number"
                f"{self._unit_hint()}"
            )
        return found.value(self.unit)

    def check(self, value: Any) -> float:
        """Return the value for a number, a text or, for a switch, a bool.

        A value outside the range is clamped, with a warning.

        Raises:
            ConfigError: if it is not a finite number, or not a whole number where one is needed.
        """
        if isinstance(value, str):
            value = self.parse(value)
        elif isinstance(value, bool) and self.scale != "switch":
            raise ConfigError(f"knob '{self.name}': {value} is not a number; expected {self.range_text}")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ConfigError(f"knob '{self.name}': {value!r} is not a number; expected {self.range_text}") from None
        if not math.isfinite(number):
            raise ConfigError(f"knob '{self.name}': {number} is not a finite number; expected {self.range_text}")
        clamped = min(max(number, self.min), self.max)
        if clamped != number:
            _logger.warning(
                "knob '%s': %s lies outside %s; clamped to %s",
                self.name,
                _format_number(number, self.unit),
                self.range_text,
                self.format(clamped),
            )
        if self.is_discrete and clamped != round(clamped):
            raise ConfigError(f"knob '{self.name}': {number:g} is not a whole number; expected {self.range_text}")
        return clamped

    def format(self, value: float) -> str:
        """Return ``value`` as text for users, such as ``5 ms``."""
        if self.choices is not None:
            return self.choices[round(value)]
        return _format_number(value, self.unit)

    @property
    def range_text(self) -> str:
        """The range as text for users."""
        return ", ".join(self.choices) if self.choices else f"{self.format(self.min)} .. {self.format(self.max)}"

    def position(self, value: Tensor) -> Tensor:
        """Return the position of ``value`` on the dial, 0 at ``min``, 1 at ``max``."""
        if self.scale == "log":
            return torch.log(value / self.min) / math.log(self.max / self.min)
        return (value - self.min) / (self.max - self.min)

    def value_at(self, position: Tensor) -> Tensor:
        """Return the value at a position on the dial, rounded for ``int`` and ``switch``."""
        if self.scale == "log":
            value = self.min * torch.exp(position * math.log(self.max / self.min))
        else:
            value = self.min + position * (self.max - self.min)
        # The exponential of a logarithm may exceed the range by a rounding error.
        value = value.clamp(self.min, self.max)
        return value.round() if self.is_discrete else value

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of an argument of :meth:`check`."""
        schema: dict[str, Any] = {"title": self.label or self.name}
        if self.choices is not None:
            return schema | {"enum": list(self.choices), "default": self.choices[round(self.default)]}
        kind = "integer" if self.is_discrete else "number"
        numbers = {"minimum": self.min, "maximum": self.max, "default": self.default}
        if self.is_discrete:
            numbers = {key: round(number) for key, number in numbers.items()}
        return schema | {"type": kind} | numbers | {"x-unit": self.unit, "x-scale": self.scale}

    def _unit_hint(self) -> str:
        return {"s": " of s, ms or us", "Hz": " of Hz or kHz", "": ""}.get(self.unit, f" of {self.unit}")


class KnobSet(Config):
    """The knobs of an effect, in the order of a network's inputs.

    Attributes:
        knobs: the knobs.
        norm: normalised numbers at the two ends of every dial: [-1, 1] for our models, [-0.5, 0.5] for SignalTrain's,
            [0, 1] for micro-TCN's.
    """

    knobs: tuple[Knob, ...] = ()
    norm: tuple[float, float] = (-1.0, 1.0)

    @model_validator(mode="after")
    def _check(self) -> "KnobSet":
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"knob names must differ, found {', '.join(self.names)}")
        if not self.norm[0] < self.norm[1]:
            raise ValueError(f"norm must be ascending, found {list(self.norm)}")
        return self

    def __len__(self) -> int:
        return len(self.knobs)

    def __getitem__(self, name: str) -> Knob:
        for knob in self.knobs:
            if knob.name == name:
                return knob
        near = difflib.get_close_matches(name, self.names, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        valid = f"valid knobs: {', '.join(self.names)}" if self.names else "this effect has no knobs"
        raise ConfigError(f"unknown knob '{name}'; {hint}{valid}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the knobs, in order."""
        return tuple(knob.name for knob in self.knobs)

    def parse(self, assignments: Iterable[str]) -> dict[str, float]:
        """Parse assignments such as ``attack=5ms`` and return the values by knob.

        Raises:
            ConfigError: for an unknown knob or unit, a knob that is set twice, or a text that is not an assignment.
        """
        settings: dict[str, float] = {}
        for assignment in assignments:
            name, separator, text = assignment.partition("=")
            name = name.strip()
            if not separator or not name:
                raise ConfigError(f"knob setting '{assignment}' is not of the form name=value")
            if name in settings:
                raise ConfigError(f"knob '{name}' is set twice; set it once")
            settings[name] = self[name].check(text)
        return settings

    def resolve(self, settings: Mapping[str, Any] | None = None) -> dict[str, float]:
        """Return the value of every knob: the one in ``settings``, or the default.

        Raises:
            ConfigError: for an unknown knob, or a value that is not finite.
        """
        given = {name: self[name].check(value) for name, value in (settings or {}).items()}
        return {knob.name: given.get(knob.name, knob.default) for knob in self.knobs}

    def values(self, settings: Mapping[str, Any] | None = None) -> Tensor:
        """Return the result of :meth:`resolve` as a vector (K,) of float64."""
        return torch.tensor(list(self.resolve(settings).values()), dtype=torch.float64)

    def settings(self, values: Tensor) -> dict[str, float]:
        """Return a vector (K,) of values by name, the inverse of :meth:`values`."""
        return dict(zip(self.names, values.tolist(), strict=True))

    def normalize(self, values: Tensor) -> Tensor:
        """Convert values (..., K) to normalised numbers, in the range ``norm``."""
        low, high = self.norm
        return self._each(values, lambda knob, column: low + (high - low) * knob.position(column))

    def denormalize(self, normalized: Tensor) -> Tensor:
        """Convert normalised numbers (..., K) to values, clamped to the range."""
        low, high = self.norm
        return self._each(normalized, lambda knob, column: knob.value_at((column - low) / (high - low)))

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the argument of :meth:`resolve`."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {knob.name: knob.json_schema() for knob in self.knobs},
            "additionalProperties": False,
        }

    def _each(self, columns: Tensor, function: Any) -> Tensor:
        if columns.ndim == 0 or columns.shape[-1] != len(self):
            raise ShapeError(f"knobs {tuple(columns.shape)}; expected (..., {len(self)}): {', '.join(self.names)}")
        if not len(self):
            return columns
        return torch.stack([function(knob, columns[..., i]) for i, knob in enumerate(self.knobs)], dim=-1)


def _format_number(value: float, unit: str) -> str:
    if unit == "s" and abs(value) < 1:
        return f"{value * 1e3:.4g} ms"
    if unit == "Hz" and abs(value) >= 1000:
        return f"{value / 1e3:.4g} kHz"
    return f"{value:.4g} {unit}".rstrip()
