"""Audio on its way to the players: levels that are fair to compare, and the 16-bit samples that browsers take."""

import math

import numpy as np

from vocoders.core.measures import loudness_lufs

__all__ = ["common_gain", "equal_loudness", "to_integers"]

# Head room that stays below full scale when gains are chosen.
_CEILING = 0.98
_TARGET_LUFS = -20.0


def equal_loudness(clips: list[np.ndarray], sample_rate: int) -> tuple[list[np.ndarray], list[float]]:
    """Bring clips to one loudness (BS.1770), at most -20 LUFS, and none beyond full scale.

    Args:
        clips: (T,) each.
        sample_rate: in Hz.

    Returns:
        The clips, and the gain of each in dB; clips without a loudness (silence) stay as they are.
    """
    loudness = [loudness_lufs(clip, sample_rate) for clip in clips]
    target = _TARGET_LUFS
    for clip, level in zip(clips, loudness, strict=True):
        peak = float(np.abs(clip).max()) if clip.size else 0.0
        if math.isfinite(level) and peak > 0:
            target = min(target, level + 20 * math.log10(_CEILING / peak))
    gains = [target - level if math.isfinite(level) else 0.0 for level in loudness]
    return [clip * 10 ** (gain / 20) for clip, gain in zip(clips, gains, strict=True)], gains


def common_gain(clips: list[np.ndarray]) -> float:
    """Return one factor, at most 1, with which none of ``clips`` goes beyond full scale."""
    peak = max((float(np.abs(clip).max()) for clip in clips if clip.size), default=0.0)
    return 1.0 if peak <= 1 else _CEILING / peak


def to_integers(samples: np.ndarray) -> np.ndarray:
    """Return int16 (T,) or (T, C) for samples (T,) or (C, T) in [-1, 1]; what is beyond is cut off."""
    samples = samples.T if samples.ndim == 2 else samples
    samples = samples[:, 0] if samples.ndim == 2 and samples.shape[1] == 1 else samples
    finite = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(np.rint(finite * 32767), -32768, 32767).astype(np.int16)
