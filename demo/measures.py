"""Measurements for tables: spectra and their differences, with NumPy only."""

import math

import numpy as np

from vocoders.core.measures import error_to_signal_ratio, log_f0_rmse, voicing_error

__all__ = [
    "decibels",
    "log_mel_db",
    "mel_distance_db",
    "null_depth_db",
    "pitch_errors",
]

_FLOOR = 1e-10


def decibels(power: np.ndarray) -> np.ndarray:
    """Return 10 lg of a power, at least -100 dB."""
    return 10 * np.log10(np.maximum(power, _FLOOR))


def null_depth_db(test: np.ndarray, reference: np.ndarray) -> float:
    """Return the level of ``test - reference`` relative to that of ``reference`` in dB, -inf if they are equal."""
    ratio = error_to_signal_ratio(test, reference)
    return 10 * math.log10(ratio) if 0 < ratio < math.inf else -math.inf if ratio == 0 else math.inf


def log_mel_db(audio: np.ndarray, sample_rate: int, n_mels: int = 80, columns: int = 600) -> np.ndarray:
    """Return a log-mel spectrogram for distances.

    Args:
        audio: (T,).
        sample_rate: in Hz.
        n_mels: bands from 0 Hz to half the sample rate.
        columns: approximate maximum number of frames; the hop is at least 10 ms and grows with the length.

    Returns:
        (n_mels, F) in dB.
    """
    n_fft = 1 << round(math.log2(0.045 * sample_rate))
    hop = max(round(0.01 * sample_rate), -(-len(audio) // columns))
    power = _power_spectrogram(audio, n_fft, hop)
    return decibels(_mel_basis(sample_rate, n_fft, n_mels) @ power)


def mel_distance_db(test: np.ndarray, reference: np.ndarray, sample_rate: int) -> float:
    """Return the mean absolute difference of two log-mel spectrograms in dB.

    Levels are raised to 80 dB below the reference's maximum.
    """
    length = min(len(test), len(reference))
    pair = [log_mel_db(x[:length], sample_rate, columns=1 << 30) for x in (test, reference)]
    floor = pair[1].max() - 80
    return float(np.mean(np.abs(np.maximum(pair[0], floor) - np.maximum(pair[1], floor))))


def pitch_errors(f0: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Compare two F0 contours.

    Args:
        f0: (F,) in Hz, 0 for unvoiced frames.
        reference: as ``f0``.

    Returns:
        RMS difference in cents of frames that are voiced in both (NaN if none), and the fraction of frames with
            different voicing.
    """
    length = min(len(f0), len(reference))
    f0, reference = f0[:length], reference[:length]
    cents_per_nat = 1200 / math.log(2)
    return cents_per_nat * log_f0_rmse(f0, reference), voicing_error(f0, reference)


def _power_spectrogram(audio: np.ndarray, n_fft: int, hop: int) -> np.ndarray:
    """Return (n_fft // 2 + 1, F) powers; a sine of amplitude 1 has power 1 in its bin."""
    padded = np.pad(np.asarray(audio, dtype=np.float32), (n_fft // 2, n_fft))
    count = max(1, -(-len(audio) // hop))
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[: count * hop : hop]
    spectrum = np.concatenate([np.abs(np.fft.rfft(part * window)) for part in np.array_split(frames, -(-count // 256))])
    return np.square(spectrum.T * (2 / window.sum())).astype(np.float32)


def _mel_basis(sample_rate: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Return triangular filters of sum 1 on the mel scale 2595 lg(1 + f / 700), (n_mels, n_fft // 2 + 1)."""
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
