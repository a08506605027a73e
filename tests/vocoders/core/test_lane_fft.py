"""Transforms of sixteen signals: NumPy's numbers for every kind of length, and back."""

import numpy as np
import pytest
from numba import njit

from vocoders.core.lane_fft import LANES, forward, fourier_table, inverse
from vocoders.core.packed_memory import aligned
from vocoders.core.vectors import address


@njit
def _there(real, imag, other_real, other_imag, n, table):
    addresses = address(real), address(imag), address(other_real), address(other_imag)
    forward(*addresses, n, table)


@njit
def _back(real, imag, other_real, other_imag, n, table):
    addresses = address(real), address(imag), address(other_real), address(other_imag)
    inverse(*addresses, n, table)


# Powers of four and two; factors 3, 5, 7 and 19; odd halves; the shortest.
@pytest.mark.parametrize("n", [2048, 1024, 400, 882, 1026, 10, 6, 4, 2])
def test_it_is_the_transform_of_numpy_and_goes_back(n) -> None:
    signals = np.random.default_rng(0).standard_normal((LANES, n)).astype(np.float32)
    memory = [aligned((n // 2 + 1) * LANES) for _ in range(4)]
    halves = [half[: n // 2 * LANES].reshape(-1, LANES) for half in memory[:2]]
    halves[0][:], halves[1][:] = signals[:, ::2].T, signals[:, 1::2].T
    _there(*memory, n, fourier_table(n))
    found = memory[0].reshape(-1, LANES) + 1j * memory[1].reshape(-1, LANES)
    wanted = np.fft.rfft(signals.astype(np.float64), axis=1).T
    assert np.abs(found - wanted).max() < 1e-6 * np.abs(wanted).max()
    _back(*memory, n, fourier_table(n))
    np.testing.assert_allclose(halves[0].T / n, signals[:, ::2], atol=2e-6)
    np.testing.assert_allclose(halves[1].T / n, signals[:, 1::2], atol=2e-6)
