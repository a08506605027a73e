"""Vectors in compiled code: what they compute, and which arrays they refuse."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from vocoders.core.vectors import exp, fma, gelu, load, sigmoid, splat, store, total


@njit
def _scaled(x, y):
    for i in range(0, len(x), 16):
        store(y, i, fma(load(x, i, 16), splat(2.0, 16), splat(1.0, 16)))
    return total(load(y, 0, 16))


@njit
def _functions(x, y):
    store(y, 0, exp(load(x, 0, 16)))
    store(y, 16, sigmoid(load(x, 0, 16)))
    store(y, 32, gelu(load(x, 0, 16)))


def test_lanes_compute_what_their_numbers_do() -> None:
    x = np.linspace(-3, 3, 32, dtype=np.float32)
    y = np.zeros(32, np.float32)
    assert _scaled(x, y) == pytest.approx(float((2 * x[:16] + 1).sum()), rel=1e-6)
    np.testing.assert_allclose(y, 2 * x + 1, rtol=1e-6)


def test_functions_are_those_of_double_precision() -> None:
    from scipy.special import erf, expit

    x = np.linspace(-8, 8, 16, dtype=np.float32)
    y = np.zeros(48, np.float32)
    _functions(x, y)
    double = x.astype(np.float64)
    expected = [np.exp(double), expit(double), double * 0.5 * (1 + erf(double / np.sqrt(2)))]
    np.testing.assert_allclose(y, np.concatenate(expected), rtol=3e-7, atol=1e-6)


@pytest.mark.parametrize("array", [np.zeros(16), np.zeros(32, np.float32)[::2], np.zeros(16, np.int32)])
def test_arrays_of_other_types_are_refused_when_compiled(array: np.ndarray) -> None:
    with pytest.raises(TypingError, match="vectors"):
        _scaled(array, np.zeros(16, np.float32))
    with pytest.raises(TypingError, match="vectors"):
        _scaled(np.zeros(16, np.float32), array)
