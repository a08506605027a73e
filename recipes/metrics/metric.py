"""Interface of metrics: one number for a generated signal, with unit, direction and perfect value.

Several metrics share slow analyses (resampling, pitch). A :class:`Signal` therefore caches them, so that every metric
is a small class for one number.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import torch

from recipes.metrics.domain import GENERATED_IS_FINITE, REFERENCE_IS_FINITE, Condition, is_heard, lasts
from vocoders.core.errors import DataError, OndesError
from vocoders.core.extras import import_extra
from vocoders.core.sinc_resampling import SincResampler

__all__ = [
    "Direction",
    "Metric",
    "Signal",
    "SignalPair",
    "UnavailableMetricError",
    "UndefinedMetricError",
    "optional_module",
]

Result = TypeVar("Result")


class UndefinedMetricError(DataError):
    """A metric that has no value for this pair, for example a pitch error without voiced frames."""


class UnavailableMetricError(OndesError):
    """A metric that cannot run on this machine, for example because its weights cannot be downloaded."""


class Direction(StrEnum):
    """Which values of a metric are better."""

    HIGHER = "higher"
    LOWER = "lower"
    ZERO = "zero"

    @property
    def arrow(self) -> str:
        """Mark for table headings."""
        return {"higher": "↑", "lower": "↓", "zero": "→0"}[self.value]

    def better(self, first: float, second: float) -> bool:
        """Return whether ``first`` is the better of two values."""
        if self is Direction.HIGHER:
            return first > second
        if self is Direction.LOWER:
            return first < second
        return abs(first) < abs(second)


@dataclass(eq=False)
class Signal:
    """One mono signal, with a cache of its analyses.

    Attributes:
        samples: (T,) float32 in [-1, 1].
        sample_rate: in Hz.
    """

    samples: np.ndarray
    sample_rate: int
    _memory: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def remember(self, key: Hashable, compute: Callable[[], Result]) -> Result:
        """Return the result of ``compute``, which runs only at the first request for ``key``."""
        if key not in self._memory:
            self._memory[key] = compute()
        return self._memory[key]

    def resampled(self, sample_rate: int) -> np.ndarray:
        """Return the samples at another rate, with the resampler of the published protocols.

        A sinc with a Hann window, width 6, roll-off 0.99, as torchaudio's ``Resample`` has by default.
        """
        if sample_rate == self.sample_rate:
            return self.samples

        def compute() -> np.ndarray:
            return _resampler(self.sample_rate, sample_rate)(torch.from_numpy(self.samples)).numpy()

        return self.remember(("resampled", sample_rate), compute)

    def cropped(self, num_samples: int) -> "Signal":
        """Return the first ``num_samples`` samples; the same object if nothing is cut."""
        return self if num_samples >= len(self.samples) else Signal(self.samples[:num_samples], self.sample_rate)


@lru_cache(maxsize=8)
def _resampler(original: int, target: int) -> torch.nn.Module:
    return SincResampler(original, target)


@dataclass(frozen=True, eq=False)
class SignalPair:
    """A generated signal and its reference, with equal rate and length.

    Attributes:
        reference: target of the system.
        generated: output of the system.
        dry: input of the effect, for metrics with ``needs_dry``.
    """

    reference: Signal
    generated: Signal
    dry: Signal | None = None

    @property
    def sample_rate(self) -> int:
        """Common sample rate in Hz."""
        return self.reference.sample_rate

    def resampled(self, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (reference, generated) at another rate."""
        return self.reference.resampled(sample_rate), self.generated.resampled(sample_rate)


class Metric(ABC):
    """One number for a generated signal; by default a distance: lower is better, and 0 for a signal against itself.

    Attributes:
        name: key in the registry, on the command line and in result files.
        title: heading in tables.
        unit: unit of the value, empty for a plain score.
        direction: better direction of values.
        identity: value of a signal compared with itself; ``None`` if it depends on the signal or has no reference.
        sample_rate: rate at which the metric works; ``None``: the rate of the files.
        needs_reference: whether the value depends on the reference.
        needs_dry: whether the value depends on the input of an effect.
        shortest: shortest signal in seconds for which the metric is defined.
        domain: further conditions for the metric to have a value.
        decimals: digits after the point in tables.
        definition: the computation in one line, precise enough to repeat it.
    """

    name: str
    title: str
    unit: str = ""
    direction: Direction = Direction.LOWER
    identity: float | None = 0.0
    sample_rate: int | None = None
    needs_reference: bool = True
    needs_dry: bool = False
    shortest: float = 0.0
    domain: tuple[Condition, ...] = ()
    decimals: int = 3
    definition: str

    @property
    def heading(self) -> str:
        """Title, unit and direction for the head of a table."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.title}{unit} {self.direction.arrow}"

    def __call__(self, pair: SignalPair) -> float:
        """Return the value for one pair.

        Raises:
            UndefinedMetricError: if the metric has no value here (too short, silent, no voiced frames ...), with the
                reason.
            DataError: if this is a fault of the generated audio, or the metric needs the input of an effect and the
                pair has none.
        """
        if self.needs_dry and pair.dry is None:
            raise DataError(f"{self.title} needs the input of the effect, and there is none of this name")
        always = (lasts(self.shortest), *((REFERENCE_IS_FINITE,) if self.needs_reference else ()), GENERATED_IS_FINITE)
        for condition in (*always, *self.domain):
            if not condition.holds(pair):
                failed = condition.is_fault and _is_sound(pair.reference)
                raise (DataError if failed else UndefinedMetricError)(f"{self.title} has no value: {condition.reason}")
        value = float(self.measure(pair))
        if not np.isfinite(value):
            raise UndefinedMetricError(f"{self.title} came out as {value}")
        return value

    @abstractmethod
    def measure(self, pair: SignalPair) -> float:
        """Compute the value of a pair in the metric's :attr:`domain`."""


def _is_sound(signal: Signal) -> bool:
    return bool(np.isfinite(signal.samples).all()) and is_heard(signal)


def optional_module(module: str, package: str, purpose: str) -> ModuleType:
    """Import a module of the extra ``metrics``.

    Args:
        module: dotted module name.
        package: name of the package with the module.
        purpose: purpose of the module, for the message.

    Raises:
        ConfigError: if the package does not load.
        MissingExtraError: if the package is not installed.
    """
    return import_extra(module, package, "metrics", purpose)
