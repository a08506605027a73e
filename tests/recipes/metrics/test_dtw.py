"""Dynamic time warping against librosa's, and its band."""

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from recipes.metrics.dtw import warping_path


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_wide_band_gives_the_optimal_path(num_reference, num_generated, seed):
    rng = np.random.default_rng(seed)
    reference, generated = rng.normal(size=(num_reference, 3)).cumsum(0), rng.normal(size=(num_generated, 3)).cumsum(0)
    rows, columns = warping_path(reference, generated, band=100)
    distance = cdist(reference, generated)
    total, _ = librosa.sequence.dtw(C=distance)
    assert distance[rows, columns].sum() == pytest.approx(total[-1, -1])
    assert (rows[0], columns[0]) == (0, 0)
    assert (rows[-1], columns[-1]) == (num_reference - 1, num_generated - 1)
    steps = np.stack([np.diff(rows), np.diff(columns)])
    assert ((steps >= 0) & (steps <= 1)).all()
    assert (steps.sum(0) >= 1).all()


def test_the_path_stays_inside_its_band():
    rng = np.random.default_rng(0)
    rows, columns = warping_path(rng.normal(size=(80, 2)), rng.normal(size=(80, 2)), band=5)
    assert np.abs(rows - columns).max() <= 5
    rows, columns = warping_path(rng.normal(size=(80, 2)), rng.normal(size=(50, 2)), band=5)
    assert np.abs(rows - columns).max() == 30


def test_a_repeated_frame_costs_nothing():
    reference = np.arange(12.0)[:, None]
    generated = np.insert(reference, 4, reference[4], axis=0)
    rows, columns = warping_path(reference, generated, band=3)
    assert np.abs(reference[rows] - generated[columns]).max() == 0
