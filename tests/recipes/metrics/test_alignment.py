"""Delay and polarity of signals that were moved by a known amount."""

import numpy as np
import pytest

from recipes.metrics.registry import create_metrics


def value(name, pair):
    return create_metrics([name])[0](pair)


@pytest.mark.parametrize("lag", [-64, -3, 0, 1, 40])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_lag_and_sign_are_found(noise, make_pair, lag, sign):
    generated = sign * 0.3 * np.roll(noise, lag) + 0.1 * noise[::-1]
    pair = make_pair(noise, generated)
    assert value("lag", pair) == lag
    assert value("polarity", pair) == sign


def test_against_numpys_correlation(speech, make_pair):
    generated = np.convolve(speech, [0.0, 0.2, -0.7, 0.3])[: len(speech)]
    lags = np.arange(-64, 65)
    middle = slice(64, len(speech) - 64)
    sums = [np.dot(generated[middle], np.roll(speech, lag)[middle]) for lag in lags]
    assert value("lag", make_pair(speech, generated)) == lags[np.argmax(np.abs(sums))]
