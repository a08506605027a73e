"""A bank of synthetic dry audio: signals that recordings lack, and test signals (sweeps, steps, bursts)."""

from collections.abc import Callable

import numpy as np
from scipy import signal

__all__ = ["KINDS", "synthetic_audio"]


def synthetic_audio(generator: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    """Return a random signal of the bank, (length,) float64, with a peak of 1 (or silent).

    Args:
        generator: generator of the item.
        length: samples.
        sample_rate: in Hz.
    """
    kinds = list(KINDS.values())
    audio = kinds[generator.integers(len(kinds))](generator, length, sample_rate)
    peak = np.abs(audio).max(initial=0.0)
    return audio / peak if peak > 0 else audio


def _frequency(generator: np.random.Generator, sample_rate: int) -> float:
    return float(np.exp(generator.uniform(np.log(30.0), np.log(min(8000.0, 0.4 * sample_rate)))))


def _sweep(generator: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    first, last = _frequency(generator, sample_rate), _frequency(generator, sample_rate)
    time = np.arange(length) / sample_rate
    return signal.chirp(time, first, max(length / sample_rate, 1e-9), last, method="logarithmic")


def _pluck(generator: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    time = np.arange(length) / sample_rate
    audio = np.zeros(length)
    for _ in range(generator.integers(1, 6)):
        start, decay = generator.uniform(0, length / sample_rate), generator.uniform(2, 40)
        since = np.maximum(time - start, 0)
        tone = np.sin(2 * np.pi * _frequency(generator, sample_rate) * since)
        audio += (time >= start) * np.exp(-decay * since) * tone
    return audio


def _chord(generator: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    time = np.arange(length) / sample_rate
    root = generator.uniform(60, 500)
    ratios = generator.choice([1.0, 1.25, 1.5, 2.0, 2.5, 3.0], size=generator.integers(1, 5), replace=False)
    tones = (np.sin(2 * np.pi * (root * ratio * time + generator.random())) for ratio in ratios)
    return sum(tones, np.zeros(length))


def _noise(generator: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    spectrum = np.fft.rfft(generator.standard_normal(length))
    # White to red: power falls by 0 to 6 dB per octave.
    slope = generator.uniform(0, 1)
    return np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1) ** slope, length)


def _steps(generator: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    """Return a tone or noise with jumps in level."""
    carrier = [_chord, _noise][generator.integers(2)](generator, length, sample_rate)
    count = int(generator.integers(2, 9))
    edges = np.sort(generator.integers(0, length, count - 1))
    levels = 10 ** (generator.uniform(-40, 0, count) / 20)
    return carrier * np.repeat(levels, np.diff([0, *edges, length]))


def _bursts(generator: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    tone = _noise(generator, length, sample_rate)
    rate = generator.uniform(1, 12)
    phase = (np.arange(length) / sample_rate * rate + generator.random()) % 1
    return tone * (phase < generator.uniform(0.05, 0.5))


def _silence(generator: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    return np.zeros(length)


#: The signals by name.
KINDS: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "sweep": _sweep,
    "pluck": _pluck,
    "chord": _chord,
    "noise": _noise,
    "steps": _steps,
    "bursts": _bursts,
    "tone": lambda generator, length, sample_rate: np.sin(
        2 * np.pi * _frequency(generator, sample_rate) * np.arange(length) / sample_rate
    ),
    "silence": _silence,
}
