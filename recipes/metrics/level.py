"""Faults that spectral distances and scores hide: level, DC offset, clipping, energy in the highest band."""

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from recipes.metrics.domain import Condition
from recipes.metrics.metric import Direction, Metric, Signal, SignalPair
from vocoders.core.measures import mean_power

__all__ = ["ClippedShare", "DcOffset", "HighFrequencyDifference", "LevelDifference"]

_FULL_SCALE = 32767 / 32768
# Power of rounding errors in silence, relative to full scale.
_LEAST_POWER = 1e-16


def _has_level(power: Callable[[Signal], float], band: str) -> tuple[Condition, Condition]:
    """Return the domain of a difference of levels in a band."""
    return (
        Condition(lambda pair: power(pair.reference) > _LEAST_POWER, f"the reference is silent{band}"),
        Condition(lambda pair: power(pair.generated) > _LEAST_POWER, f"the generated audio is silent{band}", True),
    )


def _power(signal: Signal) -> float:
    return signal.remember("power", lambda: mean_power(signal.samples))


def _high_power(signal: Signal) -> float:
    """Return the mean power above a third of the sample rate, by Parseval over the whole signal."""

    def compute() -> float:
        # A taper keeps the jump between the ends of the signal out of the high band.
        samples = signal.samples
        spectrum = np.fft.rfft(samples * np.hanning(len(samples)))
        return float(np.mean(np.abs(spectrum[len(samples) // 3 :]) ** 2))

    return signal.remember("high_power", compute)


class _PowerRatio(Metric):
    unit = "dB"
    direction = Direction.ZERO
    decimals = 2

    @staticmethod
    @abstractmethod
    def power(signal: Signal) -> float:
        """Return the mean power in the band of the metric."""

    def measure(self, pair: SignalPair) -> float:
        """Return the signed difference in dB."""
        return 10 * float(np.log10(self.power(pair.generated) / self.power(pair.reference)))


class LevelDifference(_PowerRatio):
    """RMS level of the generated signal relative to the reference, in dB."""

    name = "level_difference"
    title = "level"
    power = staticmethod(_power)
    domain = _has_level(_power, "")
    definition = "20 log10(RMS(generated) / RMS(reference)), signed"


class HighFrequencyDifference(_PowerRatio):
    """Energy of the upper third of the spectrum relative to the reference, in dB: hiss, whistles or dullness."""

    name = "high_frequency_difference"
    title = "HF energy"
    power = staticmethod(_high_power)
    domain = _has_level(_high_power, " above a third of the sample rate")
    definition = "10 log10(generated / reference) of the energy above a third of the sample rate (8-12 kHz at 24 kHz)"


class DcOffset(Metric):
    """Constant offset that the system adds, in percent of full scale."""

    name = "dc_offset"
    title = "DC"
    unit = "% FS"
    direction = Direction.ZERO
    definition = "100 (mean(generated) - mean(reference)), full scale = 1"

    def measure(self, pair: SignalPair) -> float:
        """Return the signed offset in percent of full scale."""
        return 100 * (pair.generated.samples.mean(dtype=np.float64) - pair.reference.samples.mean(dtype=np.float64))


class ClippedShare(Metric):
    """Share of generated samples at full scale, in percent, independent of the reference."""

    name = "clipped_share"
    title = "clipped"
    unit = "%"
    needs_reference = False
    identity = None
    definition = "share of generated samples with |x| >= 32767/32768"

    def measure(self, pair: SignalPair) -> float:
        """Return the share in percent of all samples."""
        return 100 * float(np.mean(np.abs(pair.generated.samples) >= _FULL_SCALE))
