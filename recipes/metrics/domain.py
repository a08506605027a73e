"""Where metrics are defined: conditions on a pair of signals, each with the reason why without it there is no value.

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

# Mean square of -80 dBFS: the rounding of 16 bits and its dither lie below, and little else.
SILENCE = 1e-8
# Of a constant float32 signal, whose deviation is what rounding leaves.
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True)
class Condition:
    """What has to hold for a metric to have a value.

    Attributes:
        holds: tells whether it does, for a pair.
        reason: what is said where it does not.
        is_fault: whether the system is to blame then, unless its reference is silent too: the value has failed, and is
            not merely undefined.
    """

    holds: Callable[["SignalPair"], bool]
    reason: str
    is_fault: bool = False


def lasts(seconds: float) -> Condition:
    """Return the condition that signals are some seconds long, and hold a sample."""
    reason = f"the audio is shorter than {seconds:g} s" if seconds else "there is no audio"
    return Condition(lambda pair: 0 < len(pair.generated.samples) >= seconds * pair.sample_rate, reason)


def is_heard(signal: "Signal") -> bool:
    """Tell whether a signal is more than silence: its level lies above -80 dBFS."""
    return signal.remember("is_heard", lambda: bool(np.mean(np.square(signal.samples, dtype=np.float64)) > SILENCE))


def _moves(signal: "Signal") -> bool:
    def compute() -> bool:
        samples = signal.samples.astype(np.float64)
        return bool(samples.std() > _LEAST_DEVIATION * np.abs(samples).max())

    return signal.remember("moves", compute)


def _is_finite(signal: "Signal") -> bool:
    return signal.remember("is_finite", lambda: bool(np.isfinite(signal.samples).all()))


REFERENCE_IS_FINITE = Condition(
    lambda pair: _is_finite(pair.reference) and (pair.dry is None or _is_finite(pair.dry)),
    "the reference holds NaN or infinite samples",
)
GENERATED_IS_FINITE = Condition(
    lambda pair: _is_finite(pair.generated), "the generated audio holds NaN or infinite samples", is_fault=True
)
REFERENCE_IS_HEARD = Condition(lambda pair: is_heard(pair.reference), "the reference is silent, below -80 dBFS")
GENERATED_IS_HEARD = Condition(
    lambda pair: is_heard(pair.generated), "the generated audio is silent, below -80 dBFS", is_fault=True
)
REFERENCE_MOVES = Condition(lambda pair: _moves(pair.reference), "the reference is constant")
GENERATED_MOVES = Condition(lambda pair: _moves(pair.generated), "the generated audio is constant", is_fault=True)
