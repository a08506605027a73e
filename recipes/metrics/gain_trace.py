"""Gain of an effect over time: it shows differences of compressors that waveforms hardly show.

G(t) = 20 log10(env(wet) / env(dry)), with env the level of frames under a Hann window. Frames with a dry level of at
most -60 dBFS are left out, since their gain is meaningless.
"""

import numpy as np

from recipes.metrics.domain import Condition
from recipes.metrics.metric import Direction, Metric, Signal, SignalPair
from vocoders.core.errors import DataError

__all__ = ["GainConcordance", "GainTraceError", "frame_levels", "gain_traces"]

_FRAME_SECONDS, _HOP_SECONDS = 0.02, 0.005
_GATE_DB = -60.0
# 16-bit rounding, about -101 dB: it keeps the distance between a silent and an inaudible output finite.
_FLOOR = (2.0**-15) ** 2 / 12
_TRACE = (
    "G = 20 log10(level(output) / level(dry input)) on Hann frames of 20 ms every 5 ms where the dry input is above "
    f"{_GATE_DB:g} dBFS, 16-bit noise floor"
)


def _levels(signal: Signal) -> np.ndarray:
    return signal.remember("frame_levels", lambda: frame_levels(signal))


def _dry(pair: SignalPair) -> Signal:
    if pair.dry is None:
        raise DataError("a gain needs the input of the effect, and this pair has none")
    return pair.dry


class _GainMetric(Metric):
    needs_dry = True
    shortest = _FRAME_SECONDS
    decimals = 3
    domain = (
        Condition(
            lambda pair: bool((_levels(_dry(pair)) > _GATE_DB).any()),
            f"the dry input has no frame above {_GATE_DB:g} dBFS",
        ),
    )


class GainTraceError(_GainMetric):
    """Mean, or a percentile, of the absolute difference of the gain in dB.

    Args:
        percentile: ``None`` for the mean over frames.
    """

    unit = "dB"

    def __init__(self, percentile: float | None = None) -> None:
        self.percentile = percentile
        which = "" if percentile is None else f" p{percentile:g}"
        self.name = "gain_trace" + which.replace(" ", "_")
        self.title = f"gain trace{which}"
        how = "mean" if percentile is None else f"{percentile:g}th percentile of"
        self.definition = f"{how} |G(generated) - G(reference)| over frames; {_TRACE}"

    def measure(self, pair: SignalPair) -> float:
        """Return the error in dB."""
        reference, generated = gain_traces(pair)
        difference = np.abs(generated - reference)
        return float(difference.mean() if self.percentile is None else np.percentile(difference, self.percentile))


class GainConcordance(_GainMetric):
    """Concordance of the two gain traces (Lin 1989): 1 only where they are equal, not merely correlated."""

    name = "gain_ccc"
    title = "gain CCC"
    direction = Direction.HIGHER
    identity = 1.0
    domain = (
        *_GainMetric.domain,
        Condition(lambda pair: gain_traces(pair)[0].std() >= 1e-3, "the gain of the reference is constant"),
    )
    definition = f"2 cov / (var + var' + (mean - mean')^2) of the two gain traces; {_TRACE}"

    def measure(self, pair: SignalPair) -> float:
        """Return the coefficient, -1 ... 1."""
        reference, generated = gain_traces(pair)
        covariance = np.mean((reference - reference.mean()) * (generated - generated.mean()))
        return float(2 * covariance / (reference.var() + generated.var() + (reference.mean() - generated.mean()) ** 2))


def gain_traces(pair: SignalPair) -> tuple[np.ndarray, np.ndarray]:
    """Return the gains in dB of (reference, generated), (F,) each, over frames where the dry input is audible.

    Raises:
        DataError: for a pair without the input of the effect.
    """
    dry, reference, generated = (_levels(signal) for signal in (_dry(pair), pair.reference, pair.generated))
    heard = dry > _GATE_DB
    return reference[heard] - dry[heard], generated[heard] - dry[heard]


def frame_levels(signal: Signal) -> np.ndarray:
    """Return the RMS level of each frame, (F,) in dB relative to full scale = 1."""
    length, hop = (max(1, round(seconds * signal.sample_rate)) for seconds in (_FRAME_SECONDS, _HOP_SECONDS))
    window = np.hanning(length + 2)[1:-1]
    frames = np.lib.stride_tricks.sliding_window_view(signal.samples.astype(np.float64) ** 2, length)[::hop]
    return 10 * np.log10(frames @ (window / window.sum()) + _FLOOR)
