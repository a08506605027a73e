"""Distances between waveforms, sample by sample, and the difference of their loudness.

The first three see phase: they are for systems that should reproduce the samples (effects, codecs, copies), and say
little about vocoders, which may answer with another phase of equal sound.
"""

import numpy as np

from recipes.metrics.domain import GENERATED_MOVES, REFERENCE_IS_HEARD, REFERENCE_MOVES, Condition
from recipes.metrics.metric import Direction, Metric, Signal, SignalPair
from vocoders.core.measures import error_to_signal_ratio, loudness_lufs

__all__ = ["ErrorToSignalRatio", "LoudnessDifference", "MeanAbsoluteError", "ScaleInvariantSdr"]

_SDR_LIMIT = 100.0
# Parts below it do not count. The recommendation has -70; our tables have always used -58.
_GATE_LUFS = -58.0


class ScaleInvariantSdr(Metric):
    """Ratio of the scaled reference to the rest of the generated signal, in dB (Le Roux et al. 2019).

    SI-SDR = 10 log10(|a s|^2 / |a s - y|^2) with a = <y, s> / <s, s>, s the reference, y the generated signal, both
    without their mean.
    """

    name = "si_sdr"
    title = "SI-SDR"
    unit = "dB"
    direction = Direction.HIGHER
    identity = _SDR_LIMIT
    decimals = 2
    domain = (REFERENCE_IS_HEARD, REFERENCE_MOVES, GENERATED_MOVES)
    definition = (
        "10 log10(|a s|^2 / |a s - y|^2), a = <y, s> / <s, s>, s reference and y generated without their means; "
        f"limited to +-{_SDR_LIMIT:g} dB"
    )

    def measure(self, pair: SignalPair) -> float:
        """Return the ratio in dB; the limit where nothing, or nothing but error, is left."""
        reference, generated = _samples(pair)
        reference, generated = reference - reference.mean(), generated - generated.mean()
        target = (generated @ reference / (reference @ reference)) * reference
        error = generated - target
        with np.errstate(divide="ignore"):
            ratio = 10 * np.log10(target @ target) - 10 * np.log10(error @ error)
        return float(np.clip(ratio, -_SDR_LIMIT, _SDR_LIMIT))


class ErrorToSignalRatio(Metric):
    """Energy of the error over energy of the reference (Wright et al. 2020).

    Args:
        emphasis: both signals pass 1 - ``emphasis`` z^-1 first, which weighs high frequencies as the ear does; 0 is the
            plain ratio, 0.85 the published filter.
    """

    decimals = 6
    domain = (REFERENCE_IS_HEARD,)

    def __init__(self, emphasis: float = 0.0) -> None:
        self.emphasis = emphasis
        self.name = "esr_emphasis" if emphasis else "esr"
        self.title = "ESR pre-emphasis" if emphasis else "ESR"
        how = f"both filtered by 1 - {emphasis:g} z^-1" if emphasis else "no pre-emphasis"
        self.definition = f"sum (reference - generated)^2 / sum reference^2, {how}"

    def measure(self, pair: SignalPair) -> float:
        """Return the ratio: 0 for equal signals, 1 for silence."""
        reference, generated = (x - self.emphasis * np.append(0.0, x[:-1]) for x in _samples(pair))
        return error_to_signal_ratio(generated, reference)


class MeanAbsoluteError(Metric):
    """Mean absolute difference of the samples, full scale = 1."""

    name = "mae"
    title = "MAE"
    decimals = 5
    definition = "mean |reference - generated|, full scale = 1"

    def measure(self, pair: SignalPair) -> float:
        """Return the mean absolute error."""
        reference, generated = _samples(pair)
        return float(np.mean(np.abs(reference - generated)))


class LoudnessDifference(Metric):
    """Absolute difference of the integrated loudness, in LU (ITU-R BS.1770-4)."""

    name = "dlufs"
    title = "ΔLUFS"
    unit = "LU"
    # One gating block.
    shortest = 0.4
    decimals = 2
    domain = (
        Condition(lambda pair: np.isfinite(_loudness(pair.reference)), "the reference has no part above -58 LUFS"),
        Condition(
            lambda pair: np.isfinite(_loudness(pair.generated)),
            "the generated audio has no part above -58 LUFS",
            is_fault=True,
        ),
    )
    definition = (
        "|integrated loudness(generated) - integrated loudness(reference)|, ITU-R BS.1770-4 absolute gate at "
        f"{_GATE_LUFS:g} LUFS"
    )

    def measure(self, pair: SignalPair) -> float:
        """Return the absolute difference in LU."""
        return abs(_loudness(pair.generated) - _loudness(pair.reference))


def _samples(pair: SignalPair) -> tuple[np.ndarray, np.ndarray]:
    return pair.reference.samples.astype(np.float64), pair.generated.samples.astype(np.float64)


def _loudness(signal: Signal) -> float:
    """Return the integrated loudness in LUFS; -inf where every block lies below the gate."""
    return signal.remember("loudness", lambda: loudness_lufs(signal.samples, signal.sample_rate, _GATE_LUFS))
