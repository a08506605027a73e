"""Modulation at the rate of the pitch: whether each period of a voice is a beat, as in speech, or blurred."""

import numpy as np

from recipes.metrics.domain import GENERATED_MOVES, REFERENCE_IS_HEARD, Condition
from recipes.metrics.metric import Direction, Metric, Signal, SignalPair

__all__ = ["ModulationDepth"]

# Windows of 5.3 ms every millisecond follow the periods of most voices.
_WINDOW_SECONDS, _HOP_SECONDS = 128 / 24000, 1e-3
_BANDS = (750.0, 1500.0, 2250.0, 3000.0, 4000.0, 5000.0, 6500.0, 8500.0, 11000.0)
# Modulations are measured in windows of 64 ms every 16 ms, from 60 to 440 Hz.
_FRAMES, _STEP = 64, 16
_LOWEST, _HIGHEST = 4, 28
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


def _measure(samples: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    size, hop = round(_WINDOW_SECONDS * sample_rate), round(_HOP_SECONDS * sample_rate)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), size)[::hop]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(size + 1)[:-1], axis=1))
    frequency = np.arange(spectrum.shape[1]) * sample_rate / size
    inside = [(frequency >= low) & (frequency < high) for low, high in zip(_BANDS, _BANDS[1:], strict=False)]
    # 140 dB below full scale there is no sound.
    bands = np.stack([spectrum[:, bins].sum(1) for bins in inside if bins.any()]) + 1e-7 * size
    windows = np.lib.stride_tricks.sliding_window_view(bands, _FRAMES, axis=1)[:, ::_STEP]
    mean = windows.mean(-1, keepdims=True)
    modulation = np.abs(np.fft.rfft((windows / mean - 1) * np.hanning(_FRAMES + 1)[:-1], axis=-1)) / _FRAMES
    # White noise has some 0.1 of depth; below a hundredth nothing is heard.
    return np.square(modulation[..., _LOWEST:_HIGHEST]).sum(-1) + 1e-4, mean[..., 0]
