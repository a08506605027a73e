"""Level and variance of predicted against true mels: acoustic models predict mels that are too smooth.

A mel that is the mean of what might have been said has the right level and too little variance, and a vocoder makes
muffled audio of it. The figures are in decibels, so they do not depend on the logarithm of the features.
"""

from dataclasses import dataclass

import numpy as np

from vocoders.core.errors import DataError

__all__ = ["MelComparison", "compare_mels"]

_LARGEST_DIFFERENCE = 1


@dataclass(frozen=True)
class MelComparison:
    """Predicted against true mels of one utterance.

    Attributes:
        frames: number of frames that are compared.
        level_db: mean difference, predicted less true.
        error_db: mean absolute difference.
        deviation_ratio: deviation over time of the predicted mel over that of the true one, geometric mean over bands;
            below 1: too smooth over time.
        detail_ratio: the same of the differences of neighbouring bands; below 1: too smooth over frequency.
    """

    frames: int
    level_db: float
    error_db: float
    deviation_ratio: float
    detail_ratio: float


def compare_mels(predicted: np.ndarray, true: np.ndarray, decibels: float) -> MelComparison:
    """Compare mels (n_mels, F) of one utterance.

    Args:
        predicted: of an acoustic model, aligned with the recording.
        true: of the recording.
        decibels: decibels in one unit of the values, such as 8.686 for natural logarithms of magnitudes.

    Raises:
        DataError: for another number of bands, or lengths that differ by more than one frame.
    """
    if len(predicted) != len(true):
        raise DataError(f"{len(predicted)} predicted bands for {len(true)} true bands; expected equal numbers")
    difference = predicted.shape[1] - true.shape[1]
    if abs(difference) > _LARGEST_DIFFERENCE:
        raise DataError(
            f"{predicted.shape[1]} predicted frames for {true.shape[1]} true frames; expected equal numbers: align the "
            "prediction with the recording (durations or teacher forcing)"
        )
    frames = min(predicted.shape[1], true.shape[1])
    predicted, true = (decibels * mel[:, :frames].astype(np.float64) for mel in (predicted, true))
    return MelComparison(
        frames,
        float((predicted - true).mean()),
        float(np.abs(predicted - true).mean()),
        _ratio(predicted, true),
        _ratio(np.diff(predicted, axis=0), np.diff(true, axis=0)),
    )


def _ratio(predicted: np.ndarray, true: np.ndarray) -> float:
    """Return the deviation over time of one over that of the other, as the geometric mean over rows."""
    ours, theirs = predicted.std(axis=1), true.std(axis=1)
    moving = (ours > 0) & (theirs > 0)
    return float(np.exp(np.mean(np.log(ours[moving] / theirs[moving])))) if moving.any() else float("nan")
