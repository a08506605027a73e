"""Modulation at the rate of the pitch: whether each period of a voice is a beat, as in speech, or blurred."""

import numpy as np
import torch

from recipes.metrics.domain import GENERATED_MOVES, REFERENCE_IS_HEARD, Condition
from recipes.metrics.metric import Direction, Metric, Signal, SignalPair
from vocoders.frontends.modulation import ModulationSpectrum

__all__ = ["ModulationDepth"]

# Quieter windows of each band are left out: they are often pauses.
_LEFT_OUT = 0.3


class ModulationDepth(Metric):
    """Energy of modulations of 60 to 440 Hz in bands above 750 Hz, generated relative to reference, in dB.

    A vocal fold opens and closes once in each period, so the bands of a voice beat at F0. Where phases are wrong, as
    after Griffin-Lim or when noise is moved to a mel, energy spreads over the period: the voice sounds rough and far,
    and the depth is below 0. The measure does not depend on the position of the pulses.
    """

    name = "modulation_depth"
    title = "modulation depth"
    unit = "dB"
    direction = Direction.ZERO
    shortest = 0.2
    decimals = 2
    domain = (
        REFERENCE_IS_HEARD,
        Condition(lambda pair: pair.sample_rate >= 8000, "the sample rate is below 8 kHz"),
        GENERATED_MOVES,
    )
    definition = (
        "10 log10 of the energy of modulations at 60-440 Hz, generated / reference; magnitudes in bands of 0.75-11 kHz "
        "(windows of 5.3 ms every 1 ms), relative to their mean over 64 ms; mean over the louder 70 % of windows"
    )

    def measure(self, pair: SignalPair) -> float:
        """Return the mean difference in dB."""
        (reference, level), (generated, _) = (_modulation(signal) for signal in (pair.reference, pair.generated))
        num_windows = min(reference.shape[1], generated.shape[1])
        reference, generated, level = (x[:, :num_windows] for x in (reference, generated, level))
        loud = level >= np.quantile(level, _LEFT_OUT, axis=1, keepdims=True)
        return float(10 * np.log10(generated / reference)[loud].mean())


def _modulation(signal: Signal) -> tuple[np.ndarray, np.ndarray]:
    """Return the energy of modulations relative to the mean, and the mean magnitude: (bands, windows) each."""
    return signal.remember("modulation", lambda: _measure(signal.samples, signal.sample_rate))


@torch.inference_mode()
def _measure(samples: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    spectrum = ModulationSpectrum(sample_rate)
    modulations, mean = spectrum(torch.from_numpy(samples.astype(np.float64))[None])
    return spectrum.energy(modulations)[0].numpy(), mean[0].numpy()
