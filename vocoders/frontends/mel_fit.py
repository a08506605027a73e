"""How well features agree with a mel, whatever the scale of their values.

A logarithm of any base, decibels, a reference level, and every normalisation by mean and deviation or to a range are
affine maps of the natural logarithm of the mel. So a map is fitted by least squares, one for all bands and one for
each, and what remains, in decibels of the magnitude, tells whether the mel is the right one.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["NEPER_DB", "AffineFit", "FeatureValues"]

NEPER_DB = float(20 / np.log(10))
"""Decibels of a neper."""
# The lowest values of a band are often those of a floor: values within this part of its range do not count in the fit.
_FLOOR_PART = 0.003
# Bands with fewer values above their floor do not count.
_FEW_VALUES, _LEAST_PART = 8, 0.05
# A map for each band has more parameters: it must be better than one for all by a factor and an amount in dB.
_PER_BAND_FACTOR, _PER_BAND_ADDED = 2.0, 0.01


@dataclass(frozen=True)
class AffineFit:
    """Features as ``slope * log(mel) + offset``, with the natural logarithm.

    Attributes:
        slope: of each band, (n_mels,).
        offset: of each band, (n_mels,).
        per_band: the bands have maps of their own; else all are the same.
        global_db: root mean square of what remains of one map for all, in dB of the magnitude.
        per_band_db: the same for maps of each band.
    """

    slope: np.ndarray
    offset: np.ndarray
    per_band: bool
    global_db: float
    per_band_db: float

    @property
    def residual_db(self) -> float:
        """What remains of the map that was chosen."""
        return self.per_band_db if self.per_band else self.global_db

    @property
    def score(self) -> float:
        """The residual, with a penalty for maps of each band: lower is better."""
        return min(self.global_db, _penalised(self.per_band_db))

    @classmethod
    def hopeless(cls, n_mels: int) -> "AffineFit":
        """Return the fit of a mel that cannot be made of the audio."""
        return cls(np.ones(n_mels), np.zeros(n_mels), False, float("inf"), float("inf"))


class FeatureValues:
    """Features (n_mels, F) that mels are compared with.

    Args:
        values: (n_mels, F), finite.
        edge: frames at both ends that do not count, because they depend on the padding.
    """

    def __init__(self, values: np.ndarray, edge: int) -> None:
        self.values = np.asarray(values, dtype=np.float64)
        low, high = self.values.min(axis=1, keepdims=True), self.values.max(axis=1, keepdims=True)
        counted = self.values > low + _FLOOR_PART * (high - low)
        counted[:, :edge] = False
        counted[:, self.values.shape[1] - edge :] = False
        counted &= counted.sum(axis=1, keepdims=True) >= max(_FEW_VALUES, _LEAST_PART * self.values.shape[1])
        self.counted = counted
        self.count = int(counted.sum())

    def fit(self, log_mel: np.ndarray, power: int) -> AffineFit:
        """Fit the map from natural log-mels (n_mels, F or fewer) of a magnitude (``power`` 1) or power (2)."""
        frames = min(log_mel.shape[1], self.values.shape[1])
        counted = self.counted[:, :frames]
        y, x = np.where(counted, self.values[:, :frames], 0.0), np.where(counted, log_mel[:, :frames], 0.0)
        columns = (counted, x, y, x * x, x * y, y * y)
        sums = np.stack([column.sum(axis=1, dtype=np.float64) for column in columns])
        slope, offset, error = _regress(sums.sum(axis=1))
        slopes, offsets, errors = _regress(sums)
        used, total = sums[0] >= _FEW_VALUES, max(float(sums[0].sum()), 1.0)
        scale = NEPER_DB / power
        residuals = {
            "global_db": float(scale * np.sqrt(error / total) / slope),
            "per_band_db": float(scale * np.sqrt((errors / slopes**2)[used].sum() / total)),
        }
        if residuals["global_db"] <= _penalised(residuals["per_band_db"]):
            bands = np.ones(len(slopes))
            return AffineFit(slope * bands, offset * bands, False, **residuals)
        return AffineFit(np.where(used, slopes, slope), np.where(used, offsets, offset), True, **residuals)


def _penalised(per_band_db: float) -> float:
    return _PER_BAND_FACTOR * per_band_db + _PER_BAND_ADDED


def _regress(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return slope (above 0), offset and sum of squared errors of y over x, from n, x, y, xx, xy and yy (6, ...)."""
    n, x, y, xx, xy, yy = sums
    n = np.maximum(n, 1)
    variance, covariance, total = xx - x * x / n, xy - x * y / n, yy - y * y / n
    slope = np.maximum(covariance / np.maximum(variance, 1e-12), 1e-6)
    error = np.maximum(total - 2 * slope * covariance + slope**2 * variance, 0)
    return slope, (y - slope * x) / n, error
