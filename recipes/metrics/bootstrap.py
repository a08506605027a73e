"""Confidence interval of a mean by the bootstrap."""

import numpy as np

__all__ = ["bootstrap_interval"]

_BLOCK_VALUES = 1 << 20


def bootstrap_interval(
    values: np.ndarray, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean (Efron 1979).

    Args:
        values: (n,) one value per utterance, n >= 1.
        confidence: coverage probability of the interval.
        resamples: number of means of n values drawn with replacement.
        seed: equal seeds give equal intervals; two systems with the same n are resampled with the same draws.

    Returns:
        Lower and upper limit; NaN for a single value, which has no spread.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK_VALUES // len(values))
    means = [
        values[generator.integers(len(values), size=(min(block, resamples - start), len(values)))].mean(1)
        for start in range(0, resamples, block)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)
