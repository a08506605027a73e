"""Bits of the simple models against closed forms."""

import math

import numpy as np
import pytest

from recipes.metrics.bits import HistogramModel, MarkovModel


def test_histogram_is_add_one_smoothing():
    model = HistogramModel([np.array([0, 0, 0, 1])], num_codes=4)
    assert model.probability.tolist() == [4 / 8, 2 / 8, 1 / 8, 1 / 8]
    assert [model.bits(np.array(codes)) for codes in ([0, 1], [2, 3])] == [1 + 2, 3 + 3]


def test_an_unseen_row_of_the_chain_is_the_histogram():
    sequences = [np.array([0, 1, 0, 1])]
    chain, histogram = MarkovModel(sequences, 4, first=0), HistogramModel(sequences, 4)
    assert chain.probability[3] == pytest.approx(histogram.probability)
    assert chain.probability.sum(axis=1) == pytest.approx(np.ones(4))


def test_chain_closed_form():
    # Row 0 saw 0 -> 1 twice and, as the first code, 0 -> 0 once; the histogram is uniform over the two codes.
    chain = MarkovModel([np.array([0, 1, 0, 1])], 2, first=0, weight=2.0)
    assert chain.probability[0].tolist() == [(1 + 1) / 5, (2 + 1) / 5]
    assert chain.probability[1].tolist() == [(1 + 1) / 3, (0 + 1) / 3]
    expected = -math.log2(3 / 5) - math.log2(1 / 3)
    assert chain.bits(np.array([1, 1])) == pytest.approx(expected)


def test_entropies_of_known_sources():
    rng = np.random.default_rng(0)
    uniform = [rng.integers(0, 16, 200_000)]
    assert HistogramModel(uniform, 16).bits(uniform[0]) / 200_000 == pytest.approx(4.0, abs=1e-3)
    # Stays with probability 0.9: the chain's entropy is that of a coin, the histogram sees none of it.
    steps = np.cumsum(rng.random(200_000) < 0.1) % 2
    coin = -0.9 * math.log2(0.9) - 0.1 * math.log2(0.1)
    assert MarkovModel([steps], 2, 0).bits(steps) / 200_000 == pytest.approx(coin, abs=0.01)
    assert HistogramModel([steps], 2).bits(steps) / 200_000 == pytest.approx(1.0, abs=0.01)
