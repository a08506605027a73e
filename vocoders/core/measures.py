"""Measures of audio used by several packages: levels, errors, loudness and pitch, with one formula for each."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import bilinear, lfilter

__all__ = [
    "F0Agreement",
    "compare_f0",
    "error_to_signal_ratio",
    "level_db",
    "log_f0_rmse",
    "loudness_lufs",
    "mean_power",
    "voicing_error",
]


def mean_power(samples: np.ndarray) -> float:
    """Return the mean square of samples of any shape; 0 without samples."""
    return float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0


def level_db(samples: np.ndarray) -> float:
    """Return the RMS level in dB of full scale, -inf for silence."""
    power = mean_power(samples)
    return 10 * math.log10(power) if power > 0 else -math.inf


def error_to_signal_ratio(generated: np.ndarray, reference: np.ndarray) -> float:
    """Return the energy of the error over that of the reference (Wright et al. 2020).

    Args:
        generated: samples of any shape.
        reference: samples of the same shape.

    Returns:
        0 for equal signals, 1 for silence, infinity if only the reference is silent.
    """
    error = float(np.sum(np.square(reference - generated, dtype=np.float64)))
    energy = float(np.sum(np.square(reference, dtype=np.float64)))
    if energy > 0:
        return error / energy
    return math.inf if error > 0 else 0.0


def log_f0_rmse(f0: np.ndarray, reference: np.ndarray) -> float:
    """Return the RMS difference of ln F0 in nat over the frames that are voiced in both; NaN where there is none.

    Args:
        f0: (F,) in Hz, 0 where unvoiced.
        reference: as ``f0``.
    """
    both = (f0 > 0) & (reference > 0)
    return float(np.sqrt(np.mean(np.log(f0[both] / reference[both]) ** 2))) if both.any() else math.nan


def voicing_error(f0: np.ndarray, reference: np.ndarray) -> float:
    """Return the fraction of frames that are voiced in one of two contours (F,) and unvoiced in the other."""
    return float(np.mean((f0 > 0) != (reference > 0))) if len(f0) else math.nan


@dataclass(frozen=True)
class F0Agreement:
    """How an F0 contour agrees with a reference.

    Attributes:
        voiced_frames: number of frames that are voiced in the contour, plus that of the reference.
        common_frames: number of frames that are voiced in both.
        gross_frames: number of those whose F0 differs by more than a fifth.
        median_cents: median absolute difference over the frames voiced in both, in cents; NaN where there is none.
    """

    voiced_frames: int
    common_frames: int
    gross_frames: int
    median_cents: float

    @property
    def voicing_f1(self) -> float:
        """Harmonic mean of precision and recall of the voiced frames, 0 to 1; NaN if nothing is voiced."""
        return 2 * self.common_frames / self.voiced_frames if self.voiced_frames else math.nan

    @property
    def gross_error(self) -> float:
        """Share of the frames voiced in both whose F0 differs by more than a fifth; NaN without such frames."""
        return self.gross_frames / self.common_frames if self.common_frames else math.nan


def compare_f0(f0: np.ndarray, reference: np.ndarray) -> F0Agreement:
    """Compare two contours (F,) in Hz, 0 where unvoiced."""
    both = (f0 > 0) & (reference > 0)
    ratio = f0[both].astype(np.float64) / reference[both]
    cents = float(np.median(np.abs(1200 * np.log2(ratio)))) if ratio.size else math.nan
    voiced = int(np.count_nonzero(f0 > 0)) + int(np.count_nonzero(reference > 0))
    return F0Agreement(voiced, ratio.size, int(np.count_nonzero(np.abs(ratio - 1) > 0.2)), cents)


def loudness_lufs(audio: np.ndarray, sample_rate: int, gate_lufs: float = -70.0) -> float:
    """Return the integrated loudness by ITU-R BS.1770-4: K-weighting, blocks of 400 ms, both gates.

    Args:
        audio: (T,) or (C, T) with up to two channels.
        sample_rate: in Hz.
        gate_lufs: the absolute gate.

    Returns:
        LUFS, -inf where no block passes the absolute gate. Clips shorter than a block are one block.
    """
    channels = np.atleast_2d(audio).astype(np.float64)
    for numerator, denominator in _k_weighting(sample_rate):
        channels = np.asarray(lfilter(numerator, denominator, channels))
    block, step = round(0.4 * sample_rate), round(0.1 * sample_rate)
    starts = range(0, max(1, channels.shape[-1] - block + 1), step)
    powers = np.array([np.mean(channels[:, start : start + block] ** 2, axis=-1).sum() for start in starts])
    loudness = -0.691 + 10 * np.log10(np.maximum(powers, 1e-10))
    passed = powers[loudness > gate_lufs]
    if not passed.size:
        return -math.inf
    relative = -0.691 + 10 * math.log10(passed.mean()) - 10
    return -0.691 + 10 * math.log10(powers[(loudness > gate_lufs) & (loudness > relative)].mean())


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
