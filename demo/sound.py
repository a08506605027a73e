"""Audio for the players: equal loudness for a fair comparison, and 16-bit samples for browsers."""

import math

import numpy as np

from vocoders.core.measures import loudness_lufs

__all__ = ["equal_gains_db", "equal_loudness", "to_integers"]

# Headroom below full scale.
_CEILING = 0.98
_TARGET_LUFS = -20.0


def equal_loudness(clips: list[np.ndarray], sample_rate: int) -> tuple[list[np.ndarray], list[float]]:
    """Scale clips to equal loudness (BS.1770), at most -20 LUFS, without exceeding full scale.

    Args:
        clips: (T,) each.
        sample_rate: in Hz.

    Returns:
        The clips, and the gain of each in dB; silent clips have no loudness and are unchanged.
    """
    gains = equal_gains_db(clips, sample_rate)
    return [clip * 10 ** (gain / 20) for clip, gain in zip(clips, gains, strict=True)], gains


def equal_gains_db(clips: list[np.ndarray], sample_rate: int) -> list[float]:
    """Return the gains of :func:`equal_loudness` for clips (T,) or (C, T)."""
    loudness = [loudness_lufs(clip, sample_rate) for clip in clips]
    target = _TARGET_LUFS
    for clip, level in zip(clips, loudness, strict=True):
        peak = float(np.abs(clip).max()) if clip.size else 0.0
        if math.isfinite(level) and peak > 0:
            target = min(target, level + 20 * math.log10(_CEILING / peak))
    return [target - level if math.isfinite(level) else 0.0 for level in loudness]


def to_integers(samples: np.ndarray) -> np.ndarray:
    """Return int16 (T,) or (T, C) for samples (T,) or (C, T) in [-1, 1]; other values are clipped."""
    samples = samples.T if samples.ndim == 2 else samples
    samples = samples[:, 0] if samples.ndim == 2 and samples.shape[1] == 1 else samples
    finite = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(np.rint(finite * 32767), -32768, 32767).astype(np.int16)
