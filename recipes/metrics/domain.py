"""Domains of metrics: conditions on a pair of signals, each with the reason for a missing value.

A metric declares its conditions in ``domain``; :meth:`recipes.metrics.metric.Metric.__call__` checks them, in order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from recipes.metrics.metric import Signal, SignalPair

__all__ = [
    "GENERATED_IS_FINITE",
    "GENERATED_IS_HEARD",
    "GENERATED_MOVES",
    "REFERENCE_IS_FINITE",
    "REFERENCE_IS_HEARD",
    "REFERENCE_MOVES",
    "SILENCE",
    "Condition",
    "is_heard",
    "lasts",
]

# Mean square of -80 dBFS: only 16-bit rounding and its dither are below.
SILENCE = 1e-8
# Deviation of a constant float32 signal after rounding.
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True)
class Condition:
    """A condition for a metric to have a value.

    Attributes:
        holds: function that returns whether a pair satisfies it.
        reason: message if it is not satisfied.
        is_fault: whether the value then counts as failed, by a fault of the system, and not merely as undefined, unless
            the reference is silent too.
    """

    holds: Callable[["SignalPair"], bool]
    reason: str
    is_fault: bool = False


def lasts(seconds: float) -> Condition:
    """Return the condition that signals have a minimum length in seconds, and at least a sample."""
    reason = f"the audio is shorter than {seconds:g} s" if seconds else "there is no audio"
    return Condition(lambda pair: 0 < len(pair.generated.samples) >= seconds * pair.sample_rate, reason)


def is_heard(signal: "Signal") -> bool:
    """Return whether a signal is not silent: its level is above -80 dBFS."""
    return signal.remember("is_heard", lambda: bool(np.mean(np.square(signal.samples, dtype=np.float64)) > SILENCE))


def _moves(signal: "Signal") -> bool:
    def compute() -> bool:
        samples = signal.samples.astype(np.float64)
        return bool(samples.std() > _LEAST_DEVIATION * np.abs(samples).max())

    return signal.remember("moves", compute)


def _is_finite(signal: "Signal") -> bool:
    return signal.remember("is_finite", lambda: bool(np.isfinite(signal.samples).all()))


# Functions and no lambdas: metrics are sent to other processes with their conditions.
def _reference_is_finite(pair: "SignalPair") -> bool:
    return _is_finite(pair.reference) and (pair.dry is None or _is_finite(pair.dry))


def _generated_is_finite(pair: "SignalPair") -> bool:
    return _is_finite(pair.generated)


def _reference_is_heard(pair: "SignalPair") -> bool:
    return is_heard(pair.reference)


def _generated_is_heard(pair: "SignalPair") -> bool:
    return is_heard(pair.generated)


def _reference_moves(pair: "SignalPair") -> bool:
    return _moves(pair.reference)


def _generated_moves(pair: "SignalPair") -> bool:
    return _moves(pair.generated)


REFERENCE_IS_FINITE = Condition(_reference_is_finite, "the reference contains NaN or infinite samples")
GENERATED_IS_FINITE = Condition(
    _generated_is_finite, "the generated audio contains NaN or infinite samples", is_fault=True
)
REFERENCE_IS_HEARD = Condition(_reference_is_heard, "the reference is silent (below -80 dBFS)")
GENERATED_IS_HEARD = Condition(_generated_is_heard, "the generated audio is silent (below -80 dBFS)", is_fault=True)
REFERENCE_MOVES = Condition(_reference_moves, "the reference is constant")
GENERATED_MOVES = Condition(_generated_moves, "the generated audio is constant", is_fault=True)
