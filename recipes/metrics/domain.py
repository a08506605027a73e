"""Domains of metrics: conditions on a pair of signals, each with the reason for a missing value.

A metric declares its conditions in ``domain``; :meth:`recipes.metrics.metric.Metric.__call__` checks them, in order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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


# Metrics are sent to other processes with their conditions, so these hold no lambdas.
def _of_reference(test: Callable[["Signal"], bool], pair: "SignalPair") -> bool:
    return test(pair.reference)


def _of_generated(test: Callable[["Signal"], bool], pair: "SignalPair") -> bool:
    return test(pair.generated)


def _are_finite(pair: "SignalPair") -> bool:
    return _is_finite(pair.reference) and (pair.dry is None or _is_finite(pair.dry))


REFERENCE_IS_FINITE = Condition(_are_finite, "the reference contains NaN or infinite samples")
GENERATED_IS_FINITE = Condition(
    partial(_of_generated, _is_finite), "the generated audio contains NaN or infinite samples", is_fault=True
)
REFERENCE_IS_HEARD = Condition(partial(_of_reference, is_heard), "the reference is silent (below -80 dBFS)")
GENERATED_IS_HEARD = Condition(
    partial(_of_generated, is_heard), "the generated audio is silent (below -80 dBFS)", is_fault=True
)
REFERENCE_MOVES = Condition(partial(_of_reference, _moves), "the reference is constant")
GENERATED_MOVES = Condition(partial(_of_generated, _moves), "the generated audio is constant", is_fault=True)
