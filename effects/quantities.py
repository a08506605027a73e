"""Numbers with units as users type them: ``5ms``, ``-24 dB``, ``3,5 dB``, ``1.2 kHz``, ``50 %``, ``4:1``."""

import math
from dataclasses import dataclass
from decimal import Decimal, Overflow
from typing import Literal, get_args

from vocoders.core.numbers import split_number

__all__ = ["Quantity", "Unit"]

Unit = Literal["", "s", "Hz", "dB", "samples", "semitones"]

# For each unit the suffixes of a number, in lower case, and their powers of ten.
_SUFFIXES: dict[Unit, dict[str, int]] = {
    "": {"": 0, "%": -2, ":1": 0},
    "s": {"": 0, "s": 0, "ms": -3, "us": -6, "µs": -6, "μs": -6},
    "Hz": {"": 0, "hz": 0, "khz": 3},
    "dB": {"": 0, "db": 0},
    "samples": {"": 0, "samples": 0},
    "semitones": {"": 0, "semitones": 0, "st": 0},
}


@dataclass(frozen=True)
class Quantity:
    """A number and its suffix.

    Attributes:
        number: the number as written.
        suffix: the suffix as written; empty: a number alone.
    """

    number: Decimal
    suffix: str

    @classmethod
    def parse(cls, text: str) -> "Quantity | None":
        """Return the quantity in ``text``; ``None`` if it does not begin with a number."""
        found = split_number(text)
        return None if found is None else cls(*found)

    @property
    def units(self) -> tuple[Unit, ...]:
        """The possible units: all without a suffix, none if the suffix is unknown."""
        return tuple(unit for unit in get_args(Unit) if self.suffix.lower() in _SUFFIXES[unit])

    def value(self, unit: Unit) -> float:
        """Return the number in ``unit``, one of :attr:`units`; infinite beyond the range of floats."""
        power = _SUFFIXES[unit][self.suffix.lower()]
        try:
            # In decimal, so that 9ms is the same float as 0.009.
            return float(self.number.scaleb(power))
        except Overflow:
            return math.inf
