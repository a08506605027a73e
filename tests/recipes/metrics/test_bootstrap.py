"""The bootstrap interval: seeded, of the right width, covering the true mean as often as it says."""

import numpy as np
import pytest
import scipy.stats

from recipes.metrics.bootstrap import bootstrap_interval


def test_equal_seeds_give_equal_intervals_around_the_mean():
    values = np.random.default_rng(0).normal(3, 1, 40)
    low, high = bootstrap_interval(values, seed=5)
    assert (low, high) == bootstrap_interval(values, seed=5)
    assert (low, high) != bootstrap_interval(values, seed=6)
    assert low < values.mean() < high


def test_against_scipy():
    values = np.random.default_rng(1).exponential(size=60)
    expected = scipy.stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20000, random_state=0)
    found = bootstrap_interval(values, resamples=20000)
    assert found == pytest.approx(tuple(expected.confidence_interval), abs=0.01)


def test_the_interval_shrinks_with_the_square_root_of_n_and_grows_with_confidence():
    rng = np.random.default_rng(2)

    def width(count, confidence=0.95):
        low, high = bootstrap_interval(rng.normal(size=count), confidence)
        return high - low

    assert width(6400) == pytest.approx(width(100) / 8, rel=0.3)
    assert width(100, 0.99) > width(100, 0.8)


def test_the_interval_covers_the_true_mean_about_as_often_as_it_claims():
    rng = np.random.default_rng(3)
    intervals = [bootstrap_interval(rng.normal(size=50), resamples=400, seed=i) for i in range(400)]
    assert np.mean([low <= 0 <= high for low, high in intervals]) == pytest.approx(0.94, abs=0.035)


def test_degenerate_samples():
    assert bootstrap_interval(np.full(10, 4.2)) == pytest.approx((4.2, 4.2))
    assert np.isnan(bootstrap_interval(np.array([1.0]))).all()
    assert np.isnan(bootstrap_interval(np.array([]))).all()


def test_many_values_are_resampled_in_blocks_without_changing_the_statistics():
    low, high = bootstrap_interval(np.random.default_rng(4).normal(size=200_000), resamples=60)
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(200_000), rel=0.4)
