"""Small measures of audio: loudness, spectra, levels, pitch; each one formula, NumPy and SciPy alone."""

import math

import numpy as np
from scipy.signal import bilinear, lfilter

__all__ = [
    "decibels",
    "frequency_gain_db",
    "gain_over_time_db",
    "level_db",
    "log_mel_db",
    "loudness_lufs",
    "mel_distance_db",
    "null_depth_db",
    "pitch_errors",
]

_FLOOR = 1e-10


def decibels(power: np.ndarray) -> np.ndarray:
    """Return 10 lg of a power, not below -100 dB."""
    return 10 * np.log10(np.maximum(power, _FLOOR))


def level_db(audio: np.ndarray) -> float:
    """Return the RMS level in dB of full scale, -inf for silence."""
    power = float(np.mean(np.square(audio, dtype=np.float64))) if audio.size else 0.0
    return 10 * math.log10(power) if power > 0 else -math.inf


def null_depth_db(test: np.ndarray, reference: np.ndarray) -> float:
    """Return the level of ``test - reference`` relative to that of ``reference`` in dB, -inf where they are equal."""
    difference, level = level_db(test - reference), level_db(reference)
    if difference == -math.inf:
        return -math.inf
    return difference - level if level > -math.inf else math.inf


def loudness_lufs(audio: np.ndarray, sample_rate: int) -> float:
    """Return the integrated loudness by ITU-R BS.1770-4: K-weighting, blocks of 400 ms, both gates.

    Args:
        audio: (T,) or (C, T) with up to two channels.
        sample_rate: in Hz.

    Returns:
        LUFS, -inf where no block passes the absolute gate of -70 LUFS. Clips shorter than a block are one block.
    """
    channels = np.atleast_2d(audio).astype(np.float64)
    for numerator, denominator in _k_weighting(sample_rate):
        channels = lfilter(numerator, denominator, channels)
    block, step = round(0.4 * sample_rate), round(0.1 * sample_rate)
    starts = range(0, max(1, channels.shape[-1] - block + 1), step)
    powers = np.array([np.mean(channels[:, start : start + block] ** 2, axis=-1).sum() for start in starts])
    loudness = -0.691 + decibels(powers)
    passed = powers[loudness > -70]
    if not passed.size:
        return -math.inf
    relative = -0.691 + 10 * math.log10(passed.mean()) - 10
    return -0.691 + 10 * math.log10(powers[(loudness > -70) & (loudness > relative)].mean())


def log_mel_db(audio: np.ndarray, sample_rate: int, n_mels: int = 80, columns: int = 600) -> np.ndarray:
    """Return a log-mel spectrogram for pictures and distances.

    Args:
        audio: (T,).
        sample_rate: in Hz.
        n_mels: bands from 0 Hz to half the sample rate.
        columns: about the largest number of frames: the hop grows with the length, from 10 ms on.

    Returns:
        (n_mels, F) in dB.
    """
    n_fft = 1 << round(math.log2(0.045 * sample_rate))
    hop = max(round(0.01 * sample_rate), -(-len(audio) // columns))
    power = _power_spectrogram(audio, n_fft, hop)
    return decibels(_mel_basis(sample_rate, n_fft, n_mels) @ power)


def mel_distance_db(test: np.ndarray, reference: np.ndarray, sample_rate: int) -> float:
    """Return the mean absolute difference of two log-mel spectrograms in dB.

    What lies more than 80 dB below the reference's maximum counts as equally quiet.
    """
    length = min(len(test), len(reference))
    pair = [log_mel_db(x[:length], sample_rate, columns=1 << 30) for x in (test, reference)]
    floor = pair[1].max() - 80
    return float(np.mean(np.abs(np.maximum(pair[0], floor) - np.maximum(pair[1], floor))))


def pitch_errors(f0: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Compare two F0 contours.

    Args:
        f0: (F,) in Hz, 0 where unvoiced.
        reference: as ``f0``.

    Returns:
        RMS difference in cents where both are voiced (NaN if nowhere), and the part of frames with another voicing.
    """
    length = min(len(f0), len(reference))
    f0, reference = f0[:length], reference[:length]
    both = (f0 > 0) & (reference > 0)
    voicing = float(np.mean((f0 > 0) != (reference > 0))) if length else math.nan
    if not both.any():
        return math.nan, voicing
    cents = 1200 * np.log2(f0[both] / reference[both])
    return float(np.sqrt(np.mean(cents**2))), voicing


def gain_over_time_db(
    wet: np.ndarray, dry: np.ndarray, sample_rate: int, points: int = 400, floor_db: float = -60.0
) -> np.ndarray:
    """Return the level of ``wet`` over that of ``dry`` in short frames.

    Args:
        wet: (T,).
        dry: (T,).
        sample_rate: in Hz.
        points: about the number of frames, which last 10 ms at least.
        floor_db: NaN where ``dry`` is below this level.

    Returns:
        (F,) in dB.
    """
    hop = max(round(0.01 * sample_rate), -(-len(dry) // points))
    count = max(1, len(dry) // hop)
    powers = [np.mean(np.square(x[: count * hop].reshape(count, -1), dtype=np.float64), axis=1) for x in (wet, dry)]
    gain = decibels(powers[0]) - decibels(powers[1])
    return np.where(decibels(powers[1]) > floor_db, gain, np.nan)


def frequency_gain_db(
    wet: np.ndarray, dry: np.ndarray, sample_rate: int, points: int = 120
) -> tuple[np.ndarray, np.ndarray]:
    """Return the long-term spectrum of ``wet`` over that of ``dry``, in bands of a sixth of an octave.

    Returns:
        Frequencies in Hz from 20 on, and the gain in dB; NaN where ``dry`` has no energy.
    """
    n_fft = 4096
    spectra = [_power_spectrogram(x, n_fft, n_fft // 2).mean(axis=1) for x in (wet, dry)]
    frequencies = np.geomspace(20, 0.49 * sample_rate, points)
    bins = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    gains = np.full(points, np.nan)
    for index, frequency in enumerate(frequencies):
        near = (bins >= frequency * 2 ** (-1 / 12)) & (bins <= frequency * 2 ** (1 / 12))
        if not near.any():
            near[np.argmin(np.abs(bins - frequency))] = True
        powers = [spectrum[near].sum() for spectrum in spectra]
        if powers[1] > 1e-9 * spectra[1].sum():
            gains[index] = 10 * math.log10(max(powers[0], _FLOOR * powers[1]) / powers[1])
    return frequencies, gains


def _k_weighting(sample_rate: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the two filters of BS.1770 for any rate, from their analogue prototypes by the bilinear transform."""
    filters = []
    gain, q, frequency = 10 ** (3.999843853973347 / 20), 0.7071752369554196, 1681.974450955533
    w = 2 * sample_rate * math.tan(math.pi * min(frequency / sample_rate, 0.49))
    filters.append(bilinear([gain, gain**0.4996667741545416 * w / q, w * w], [1, w / q, w * w], sample_rate))
    q, frequency = 0.5003270373238773, 38.13547087602444
    w = 2 * sample_rate * math.tan(math.pi * frequency / sample_rate)
    numerator, denominator = bilinear([1, 0, 0], [1, w / q, w * w], sample_rate)
    # The recommendation states the numerator 1, -2, 1.
    filters.append((np.array([1.0, -2.0, 1.0]), denominator / denominator[0]))
    return [(np.asarray(b) / a[0], np.asarray(a) / a[0]) for b, a in filters]


def _power_spectrogram(audio: np.ndarray, n_fft: int, hop: int) -> np.ndarray:
    """Return (n_fft // 2 + 1, F) powers; a sine of amplitude 1 has power 1 in its bin."""
    padded = np.pad(np.asarray(audio, dtype=np.float32), (n_fft // 2, n_fft))
    count = max(1, -(-len(audio) // hop))
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[: count * hop : hop]
    spectrum = np.concatenate([np.abs(np.fft.rfft(part * window)) for part in np.array_split(frames, -(-count // 256))])
    return np.square(spectrum.T * (2 / window.sum())).astype(np.float32)


def _mel_basis(sample_rate: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Return triangles on the mel scale 2595 lg(1 + f / 700), each of sum 1, (n_mels, n_fft // 2 + 1)."""
    top = 2595 * math.log10(1 + sample_rate / 1400)
    edges = 700 * (10 ** (np.linspace(0, top, n_mels + 2) / 2595) - 1)
    bins = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    basis = np.maximum(0, np.minimum(rising, falling))
    # Narrow bands of low frequencies may fall between two bins.
    for row in np.nonzero(basis.sum(axis=1) == 0)[0]:
        basis[row, np.argmin(np.abs(bins - edges[row + 1]))] = 1
    return (basis / basis.sum(axis=1, keepdims=True)).astype(np.float32)
