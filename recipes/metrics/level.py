"""Faults that spectra and scores hide: level, DC offset, clipping, energy in the highest band."""

import numpy as np

from recipes.metrics.metric import Direction, Metric, SignalPair, UndefinedMetricError
from vocoders.core.errors import DataError
from vocoders.core.measures import mean_power

__all__ = ["ClippedShare", "DcOffset", "HighFrequencyDifference", "LevelDifference"]

_FULL_SCALE = 32767 / 32768


class LevelDifference(Metric):
    """Level of the generated signal above the reference, in dB of RMS."""

    name = "level_difference"
    title = "level"
    unit = "dB"
    direction = Direction.ZERO
    identity = 0.0
    decimals = 2
    definition = "20 log10(RMS(generated) / RMS(reference)), signed"

    def measure(self, pair: SignalPair) -> float:
        """Return the signed difference in dB."""
        return _decibel(mean_power(pair.generated.samples), mean_power(pair.reference.samples), "the whole band")


class HighFrequencyDifference(Metric):
    """Energy of the upper third of the spectrum above that of the reference, in dB: hiss, whistles or dullness."""

    name = "high_frequency_difference"
    title = "HF energy"
    unit = "dB"
    direction = Direction.ZERO
    identity = 0.0
    decimals = 2
    definition = "10 log10 of the energy above a third of the sample rate (8-12 kHz at 24 kHz), generated / reference"

    def measure(self, pair: SignalPair) -> float:
        """Return the signed difference in dB."""
        generated, reference = (_high_power(signal.samples) for signal in (pair.generated, pair.reference))
        return _decibel(generated, reference, "the band above a third of the sample rate")


class DcOffset(Metric):
    """Constant offset that the system adds, in percent of full scale."""

    name = "dc_offset"
    title = "DC"
    unit = "% FS"
    direction = Direction.ZERO
    identity = 0.0
    definition = "100 (mean(generated) - mean(reference)), full scale = 1"

    def measure(self, pair: SignalPair) -> float:
        """Return the signed offset in percent of full scale."""
        return 100 * (pair.generated.samples.mean(dtype=np.float64) - pair.reference.samples.mean(dtype=np.float64))


class ClippedShare(Metric):
    """Share of generated samples at full scale, in percent; the reference does not enter."""

    name = "clipped_share"
    title = "clipped"
    unit = "%"
    direction = Direction.LOWER
    needs_reference = False
    definition = "share of generated samples with |x| >= 32767/32768"

    def measure(self, pair: SignalPair) -> float:
        """Return the share in percent of all samples."""
        return 100 * float(np.mean(np.abs(pair.generated.samples) >= _FULL_SCALE))


def _high_power(samples: np.ndarray) -> float:
    """Return the mean power above a third of the sample rate, by Parseval over the whole signal."""
    # A taper keeps the jump between the two ends of the signal out of the high band.
    spectrum = np.fft.rfft(samples * np.hanning(len(samples)))
    return float(np.mean(np.abs(spectrum[len(samples) // 3 :]) ** 2))


def _decibel(generated: float, reference: float, band: str) -> float:
    if reference == 0:
        raise UndefinedMetricError(f"the reference is silent in {band}; a level difference has no value")
    if generated == 0:
        raise DataError(f"the generated audio is silent in {band}; its level is minus infinity")
    return 10 * float(np.log10(generated / reference))
