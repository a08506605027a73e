"""The training signals of SignalTrain (Hawley et al. 2019, arXiv 1905.11928): an alternative to our bank.

Written from the description of the method and recorded signals. Quirks are kept:

- Frequencies are in rad/s, never multiplied by 2 pi: sines of 0.8 .. 24 Hz, plucks of 8 .. 1019 Hz. Only the sweep
  starts at 20 Hz.
- The steps of ``level_steps`` are 1 dB of power, applied to the amplitude: the level moves by 2 dB a step.
- Time is in single precision, and so are the levels of the box.
- One sample before the box's first edge already has its last level.
- Pink noise has a real spectrum: it is symmetric about its middle.
- Signals scaled to a peak of 0.6 .. 0.9 are not scaled again when noise is added.

The published windows have 8192 samples at 44.1 kHz; times are fractions of the window, for any length.
"""

from collections.abc import Callable

import numpy as np

__all__ = ["ON_THE_FLY", "SIGNALS", "finish", "scale_peak", "signaltrain_audio", "sweep", "time_axis"]

#: Sources of random numbers; recorded signals were drawn from the older one.
Draws = np.random.Generator | np.random.RandomState


def signaltrain_audio(generator: Draws, length: int, sample_rate: int, kind: str | None = None) -> np.ndarray:
    """Return a signal of the bank, (length,) float64, at its published level: a peak below 1.

    Args:
        generator: generator of the item.
        length: samples.
        sample_rate: in Hz.
        kind: name of a signal; ``None``: one of the signals for training on the fly.
    """
    name = str(generator.choice(ON_THE_FLY)) if kind is None else kind
    return finish(generator, SIGNALS[name](generator, time_axis(length, sample_rate)))


def time_axis(length: int, sample_rate: int) -> np.ndarray:
    """Return the times of the samples in seconds, (length,) float32."""
    return np.arange(length, dtype=np.float32) / np.float32(sample_rate)


def finish(generator: Draws, audio: np.ndarray) -> np.ndarray:
    """Invert a signal at random, and add noise of 1e-8 to avoid digital silence."""
    polarity = generator.choice([-1, 1])
    return polarity * audio.astype(np.float64) + 1e-8 * generator.random(len(audio))


def scale_peak(generator: Draws, audio: np.ndarray) -> np.ndarray:
    """Scale a signal to a random peak of 0.6 .. 0.9."""
    return audio / max(np.abs(audio).max(), 1e-12) * generator.uniform(0.6, 0.9)


def sweep(time: np.ndarray, rate: float) -> np.ndarray:
    """Return a sine that starts at 20 Hz and rises exponentially.

    Args:
        time: of the samples in seconds, (T,).
        rate: growth of the logarithm of the frequency in 1/s.
    """
    cycles = 20 / rate * np.expm1(rate * time.astype(np.float64))
    return np.sin(2 * np.pi * cycles)


def _sines(generator: Draws, time: np.ndarray) -> np.ndarray:
    audio = np.zeros(len(time))
    for _ in range(generator.choice([1, 2])):
        amplitude, frequency = generator.uniform(0.2, 0.9), generator.uniform(5, 150)
        audio += amplitude * np.cos(frequency * (time - generator.random() * time[-1]))
    return scale_peak(generator, audio)


def _noisy_sines(generator: Draws, time: np.ndarray) -> np.ndarray:
    return _with_noises(generator, _sines(generator, time), (_pink, _white))


def _pluck(generator: Draws, time: np.ndarray) -> np.ndarray:
    """Return one to three plucked sines at a low level, which decay."""
    tones = np.zeros(len(time))
    for _ in range(generator.choice([1, 2, 3])):
        amplitude = generator.uniform(0.5, 0.95) * generator.choice([-1, 1])
        place = 0.6 * (generator.random() - 0.5) * time[-1]
        tones += np.float64(amplitude) * np.sin(generator.uniform(50, 6400) * (time - place))
    start = generator.uniform(0, 0.35) * time[-1]
    struck, before, decay = generator.uniform(0.6, 0.95), generator.uniform(0.1, 0.2), generator.uniform(0, 12)
    ringing = struck * np.exp(-decay * np.maximum(time - start, 0))
    return scale_peak(generator, tones * np.where(time >= start, ringing, before))


def _noisy_pluck(generator: Draws, time: np.ndarray) -> np.ndarray:
    level = generator.uniform(0.1, 0.4)
    return _pluck(generator, time) + level * _pink(generator, len(time))


def _triangle(generator: Draws, time: np.ndarray) -> np.ndarray:
    """Return one ramp up and down between silences, with pink noise."""
    height = generator.uniform(0.4, 0.8) * generator.choice([-1, 1])
    width = generator.uniform(0, 0.5) * time[-1]
    middle = generator.uniform(0, 0.4) * time[-1] + width
    ramp = height * np.maximum(1 - np.abs(time - middle) / max(width / 2, 1e-9), 0)
    return ramp + generator.uniform(0.02, 0.12) * _pink(generator, len(time))


def _box(generator: Draws, time: np.ndarray) -> np.ndarray:
    """Return three levels: low, high, in between."""
    first, second, third = generator.uniform(0, 0.15), generator.uniform(0.6, 0.95), generator.uniform(0.1, 0.3)
    start = int(0.3 * len(time) * generator.random())
    stop = start + int(generator.uniform(0.3, 0.65) * len(time))
    audio = np.full(len(time), third, dtype=np.float32)
    audio[: max(start - 1, 0)] = first
    audio[start:stop] = second
    return audio


def _noise_box(generator: Draws, time: np.ndarray) -> np.ndarray:
    return _box(generator, time) * _white(generator, len(time))


def _noisy_box(generator: Draws, time: np.ndarray) -> np.ndarray:
    return _with_noises(generator, _box(generator, time), (_white, _pink))


def _spikes(generator: Draws, time: np.ndarray) -> np.ndarray:
    """Return fifty spikes of three samples in normal noise."""
    audio = np.zeros(len(time))
    for _ in range(50):
        start = max(int(len(time) * generator.random()) - 3, 0)
        spike = generator.uniform(-0.7, 0.7) * np.array([0.5, 1.0, 0.5])
        audio[start : start + 3] += spike[: len(time) - start]
    return audio + generator.uniform(0, 0.1) * generator.standard_normal(len(time))


def _level_steps(generator: Draws, time: np.ndarray) -> np.ndarray:
    """Return a sine whose level rises from "-30 dB" to "0 dB", which only the last sample reaches."""
    tone = np.sin(generator.uniform(400, 5000) * time)
    return scale_peak(generator, tone * 10 ** (np.floor(np.linspace(-30, 0, len(time))) / 10))


def _sweep(generator: Draws, time: np.ndarray) -> np.ndarray:
    # The range is ours: the published distribution of rates is unknown. The recorded sweep rises by three octaves.
    octaves = generator.uniform(1, 5)
    return scale_peak(generator, sweep(time, octaves * np.log(2) / max(time[-1], 1e-9)))


def _with_noises(
    generator: Draws, audio: np.ndarray, noises: tuple[Callable[[Draws, int], np.ndarray], ...]
) -> np.ndarray:
    """Add noises, each at a random level up to 0.2, drawn in order."""
    for noise in noises:
        audio = audio + generator.uniform(0, 0.2) * noise(generator, len(audio))
    return audio


def _pink(generator: Draws, length: int) -> np.ndarray:
    """Return noise whose power falls by 3 dB per octave, with a peak of 1."""
    bins = length // 2 + 1
    noise = np.fft.irfft((2 * generator.random(bins) - 1) / np.sqrt(np.arange(1, bins + 1)), length)
    return noise / np.abs(noise).max()


def _white(generator: Draws, length: int) -> np.ndarray:
    return 2 * generator.random(length) - 1


#: The signals in the order of their published numbers, 0 .. 11.
SIGNALS: dict[str, Callable[[Draws, np.ndarray], np.ndarray]] = {
    "sines": _sines,
    "noisy_sines": _noisy_sines,
    "pluck": _pluck,
    "triangle": _triangle,
    "box": _box,
    "spikes": _spikes,
    "noise_box": _noise_box,
    "noisy_pluck": _noisy_pluck,
    "level_steps": _level_steps,
    "sweep": _sweep,
    "noisy_box": _noisy_box,
    "pink": lambda generator, time: generator.uniform(0.2, 0.8) * _pink(generator, len(time)),
}

#: Signals for training on the fly.
ON_THE_FLY = ["sines", "noisy_sines", "pluck", "box", "noise_box", "noisy_pluck"]
