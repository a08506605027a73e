"""Delay and polarity: two faults that spectral distances ignore and waveform distances count as total failure."""

import numpy as np

from recipes.metrics.domain import GENERATED_IS_HEARD, REFERENCE_IS_HEARD
from recipes.metrics.metric import Direction, Metric, SignalPair

__all__ = ["Lag", "Polarity", "best_lag"]

_MOST_LAG = 64
_SEARCH = f"largest |cross-correlation| within +-{_MOST_LAG} samples"


class Lag(Metric):
    """Delay of the generated signal relative to the reference, in samples."""

    name = "lag"
    title = "lag"
    unit = "samples"
    direction = Direction.ZERO
    decimals = 1
    domain = (REFERENCE_IS_HEARD, GENERATED_IS_HEARD)
    definition = f"delay of the generated signal relative to the reference, at the {_SEARCH}"

    def measure(self, pair: SignalPair) -> float:
        """Return the delay in samples, negative if the generated signal is early."""
        return float(best_lag(pair)[0])


class Polarity(Metric):
    """Sign of the correlation at the best lag: 1 for that of the reference, -1 if inverted."""

    name = "polarity"
    title = "polarity"
    direction = Direction.HIGHER
    identity = 1.0
    decimals = 1
    domain = (REFERENCE_IS_HEARD, GENERATED_IS_HEARD)
    definition = f"sign of the {_SEARCH}"

    def measure(self, pair: SignalPair) -> float:
        """Return 1 or -1."""
        return best_lag(pair)[1]


def best_lag(pair: SignalPair) -> tuple[int, float]:
    """Return the lag in samples with the largest absolute correlation, and its sign; neither signal is silent."""
    reference, generated = (signal.samples.astype(np.float64) for signal in (pair.reference, pair.generated))

    def compute() -> tuple[int, float]:
        reach = min(_MOST_LAG, len(reference) - 1)
        n_fft = 1 << (len(reference) + reach - 1).bit_length()
        spectrum = np.conj(np.fft.rfft(reference, n_fft)) * np.fft.rfft(generated, n_fft)
        correlation = np.fft.irfft(spectrum, n_fft)[np.arange(-reach, reach + 1)]
        peak = int(np.abs(correlation).argmax())
        return peak - reach, float(np.sign(correlation[peak]))

    return pair.generated.remember(("best_lag", id(pair.reference)), compute)
