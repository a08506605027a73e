"""Harmonic tones with a known F0, for what a small corpus lacks: very low, high and gliding voices, and no voice."""

import numpy as np

__all__ = ["draw_tone"]

_F0_RANGE = (52.0, 820.0)
_MOST_HARMONICS = 60
_RAMP_SECONDS = 0.01
# Points of the random spectral envelope over the frequency axis, and their deviation in dB.
_POINTS, _FORMANTS_DB = 12, 10.0


def draw_tone(
    generator: np.random.Generator, num_samples: int, sample_rate: int, hop_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a gliding harmonic tone with a random spectrum and pauses, sometimes none, over soft noise.

    Args:
        generator: source of randomness.
        num_samples: T.
        sample_rate: in Hz.
        hop_length: samples between frames.

    Returns:
        Audio (T,) float32 with a peak of about 0.3, and F0 (T // hop_length,) float32 in Hz at the centres of frames,
        0 in pauses.
    """
    time = np.arange(num_samples) / sample_rate
    f0 = _draw_contour(generator, time)
    voiced = _draw_pauses(generator, time)
    audio = voiced * _sum_harmonics(generator, f0, sample_rate)
    audio *= 0.3 / max(np.abs(audio).max(), 1e-9)
    audio += 10 ** (generator.uniform(-75, -30) / 20) * generator.standard_normal(num_samples)
    centres = np.arange(num_samples // hop_length) * hop_length + hop_length // 2
    return audio.astype(np.float32), np.where(voiced[centres] > 0.5, f0[centres], 0.0).astype(np.float32)


def _draw_contour(generator: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """Return F0 (T,): log-uniform, with a glide and vibrato."""
    octaves = generator.uniform(*np.log2(_F0_RANGE))
    octaves = octaves + generator.normal(0, 0.3) * (time - time.mean())
    depth, rate, phase = generator.exponential(0.03), generator.uniform(2, 8), generator.uniform(0, 2 * np.pi)
    return np.clip(2 ** (octaves + depth * np.sin(2 * np.pi * rate * time + phase)), *_F0_RANGE)


def _draw_pauses(generator: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """Return the gain (T,) of the tone: 1, with up to three pauses; in one of eight cases 0 throughout."""
    gain = np.ones_like(time)
    if generator.random() < 0.125:
        return np.zeros_like(time)
    for _ in range(generator.integers(0, 3, endpoint=True)):
        start = generator.uniform(0, time[-1])
        distance = np.maximum(start - time, time - start - generator.uniform(0.05, 0.5))
        gain = np.minimum(gain, np.clip(0.5 + distance / _RAMP_SECONDS, 0, 1))
    return gain


def _sum_harmonics(generator: np.random.Generator, f0: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return a tone (T,) whose spectrum falls by 0 to 15 dB in an octave and has random formants."""
    phase = 2 * np.pi * np.cumsum(f0) / sample_rate
    tilt = generator.uniform(0, 15)
    points, levels = np.linspace(0, sample_rate / 2, _POINTS), _FORMANTS_DB * generator.standard_normal(_POINTS)
    total = np.zeros_like(f0)
    for number in range(1, generator.integers(4, _MOST_HARMONICS, endpoint=True) + 1):
        frequency = number * float(np.median(f0))
        if frequency >= 0.45 * sample_rate:
            break
        level = np.interp(frequency, points, levels) - tilt * np.log2(number)
        total += 10 ** (level / 20) * np.sin(number * phase + generator.uniform(0, 2 * np.pi))
    return total
