"""Fourier transforms of sixteen real signals at once, in compiled loops.

Each signal has a lane of every vector, so a transform needs no shuffles, and a thread transforms a block of frames that
stays in its cache. The real signals of n samples are complex ones of n / 2, even samples as real and odd ones as
imaginary parts (Sorensen et al. 1987), which Stockham's algorithm transforms without reordering.
"""

# numba turns the functions of vectors into others that take fewer arguments; no stub says so.
# pyright: reportCallIssue=false

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit

from vocoders.core.vectors import REGISTER, fma, load, repeat, splat, store

__all__ = ["LANES", "FourierTable", "forward", "fourier_table", "inverse"]

LANES = 16


class FourierTable(NamedTuple):
    """Constants of the transform of a length.

    Attributes:
        radices: factors of n / 2.
        weights: for each pass, the weights of the inputs of each output, real and imaginary parts in turn.
        turns: exp(-2 pi i k / n) for k from 0 to n / 4, likewise.
    """

    radices: np.ndarray
    weights: np.ndarray
    turns: np.ndarray


@cache
def fourier_table(n: int) -> FourierTable:
    """Return the constants for real signals of ``n`` samples, an even number."""
    radices, left = [], n // 2
    while left > 1:
        radices.append(next(radix for radix in (4, 2, 3, *range(5, left + 1, 2)) if left % radix == 0))
        left //= radices[-1]
    weights, length = [], n // 2
    for radix in radices:
        # Of radix 4 the twiddles alone, of others all weights [j, output, input].
        output, entry = np.arange(radix), np.arange(length // radix)[:, None]
        twiddles = output * entry / length
        if radix != 4:
            twiddles = twiddles[:, :, None] + output[:, None] * output / radix
        weights.append(_parts(twiddles))
        length //= radix
    turns = _parts(np.arange(n // 4 + 1) / n)
    return FourierTable(np.array(radices, np.int64), np.concatenate([np.zeros(0, np.float32), *weights]), turns)


def _parts(cycles: np.ndarray) -> np.ndarray:
    angles = -2 * np.pi * cycles.reshape(-1)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32).reshape(-1)


@njit
def forward(real, imag, other_real, other_imag, n, table):
    """Transform real signals in place: ``n`` samples to n / 2 + 1 bins.

    Args:
        real: even samples in lanes, at an address with room for n / 2 + 1 vectors; then the real parts of the bins.
        imag: odd samples, and the imaginary parts.
        other_real: scratch memory of the same size.
        other_imag: likewise.
        n: length of the signals.
        table: that of ``n``.
    """
    half = n // 2
    _transform(real, imag, other_real, other_imag, half, table)
    first_real, first_imag = load(real, 0, LANES), load(imag, 0, LANES)
    store(real, 0, first_real + first_imag)
    store(imag, 0, splat(np.float32(0), LANES))
    store(real, half * LANES, first_real - first_imag)
    store(imag, half * LANES, splat(np.float32(0), LANES))
    for k in range(1, half // 2 + 1):
        low, high = k * LANES, (half - k) * LANES
        a_real, a_imag = load(real, low, LANES), load(imag, low, LANES)
        b_real, b_imag = load(real, high, LANES), load(imag, high, LANES)
        # Twice the transforms of the even and, turned, of the odd samples.
        even_real, even_imag = a_real + b_real, a_imag - b_imag
        odd_real, odd_imag = a_imag + b_imag, b_real - a_real
        c, s = repeat(table.turns, 2 * k, LANES), repeat(table.turns, 2 * k + 1, LANES)
        turned_real, turned_imag = c * odd_real - s * odd_imag, c * odd_imag + s * odd_real
        h = np.float32(0.5)
        store(real, low, h * (even_real + turned_real))
        store(imag, low, h * (even_imag + turned_imag))
        store(real, high, h * (even_real - turned_real))
        store(imag, high, h * (turned_imag - even_imag))


@njit
def inverse(real, imag, other_real, other_imag, n, table):
    """Transform n / 2 + 1 bins to ``n`` samples times ``n``, in place; for arguments see :func:`forward`."""
    half = n // 2
    first, last = load(real, 0, LANES), load(real, half * LANES, LANES)
    store(real, 0, first + last)
    store(imag, 0, first - last)
    for k in range(1, half // 2 + 1):
        low, high = k * LANES, (half - k) * LANES
        a_real, a_imag = load(real, low, LANES), load(imag, low, LANES)
        b_real, b_imag = load(real, high, LANES), load(imag, high, LANES)
        even_real, even_imag = a_real + b_real, a_imag - b_imag
        turned_real, turned_imag = a_real - b_real, a_imag + b_imag
        c, s = repeat(table.turns, 2 * k, LANES), repeat(table.turns, 2 * k + 1, LANES)
        odd_real, odd_imag = c * turned_real + s * turned_imag, c * turned_imag - s * turned_real
        store(real, low, even_real - odd_imag)
        store(imag, low, even_imag + odd_real)
        store(real, high, even_real + odd_imag)
        store(imag, high, odd_real - even_imag)
    # With real and imaginary parts exchanged, the transform goes backwards.
    _transform(imag, real, other_imag, other_real, half, table)


@njit
def _transform(real, imag, other_real, other_imag, length, table):
    """Transform complex signals in lanes; the result is where they were."""
    a_real, a_imag, b_real, b_imag = real, imag, other_real, other_imag
    count, stride, place = length, 1, 0
    for radix in table.radices:
        count //= radix
        if radix == 4:
            _pass_of_four(a_real, a_imag, b_real, b_imag, count, stride, table.weights, place)
            place += 8 * count
        else:
            _pass(a_real, a_imag, b_real, b_imag, radix, count, stride, table.weights, place)
            place += 2 * radix * radix * count
        stride *= radix
        a_real, a_imag, b_real, b_imag = b_real, b_imag, a_real, a_imag
    if len(table.radices) % 2:
        for i in range(0, length * LANES, LANES):
            store(real, i, load(a_real, i, LANES))
            store(imag, i, load(a_imag, i, LANES))


@njit
def _pass(x_real, x_imag, y_real, y_imag, radix, count, stride, weights, place):
    """One pass of any radix: each output is a weighted sum of as many inputs."""
    step = LANES * stride
    for j in range(count):
        for output in range(radix):
            for q in range(0, step, LANES):
                sum_real = sum_imag = splat(np.float32(0), LANES)
                for i in range(radix):
                    at, weight = q + step * (j + count * i), place + 2 * i
                    real, imag = load(x_real, at, LANES), load(x_imag, at, LANES)
                    c, s = repeat(weights, weight, LANES), repeat(weights, weight + 1, LANES)
                    sum_real = fma(c, real, sum_real) - s * imag
                    sum_imag = fma(c, imag, fma(s, real, sum_imag))
                to = q + step * (radix * j + output)
                store(y_real, to, sum_real)
                store(y_imag, to, sum_imag)
            place += 2 * radix


@njit
def _pass_of_four(x_real, x_imag, y_real, y_imag, count, stride, weights, place):
    """The same for a radix of four, whose inner weights are 1, -1, i and -i."""
    step = LANES * stride
    for j in range(count):
        c1, s1 = repeat(weights, place + 2, REGISTER), repeat(weights, place + 3, REGISTER)
        c2, s2 = repeat(weights, place + 4, REGISTER), repeat(weights, place + 5, REGISTER)
        c3, s3 = repeat(weights, place + 6, REGISTER), repeat(weights, place + 7, REGISTER)
        place += 8
        for q in range(0, step, REGISTER):
            at = q + step * j
            a_real, a_imag = load(x_real, at, REGISTER), load(x_imag, at, REGISTER)
            at += step * count
            b_real, b_imag = load(x_real, at, REGISTER), load(x_imag, at, REGISTER)
            at += step * count
            c_real, c_imag = load(x_real, at, REGISTER), load(x_imag, at, REGISTER)
            at += step * count
            d_real, d_imag = load(x_real, at, REGISTER), load(x_imag, at, REGISTER)
            ac_real, ac_imag, ca_real, ca_imag = a_real + c_real, a_imag + c_imag, a_real - c_real, a_imag - c_imag
            bd_real, bd_imag, db_real, db_imag = b_real + d_real, b_imag + d_imag, b_real - d_real, b_imag - d_imag
            to = q + 4 * step * j
            store(y_real, to, ac_real + bd_real)
            store(y_imag, to, ac_imag + bd_imag)
            to += step
            real, imag = ca_real + db_imag, ca_imag - db_real
            store(y_real, to, c1 * real - s1 * imag)
            store(y_imag, to, c1 * imag + s1 * real)
            to += step
            real, imag = ac_real - bd_real, ac_imag - bd_imag
            store(y_real, to, c2 * real - s2 * imag)
            store(y_imag, to, c2 * imag + s2 * real)
            to += step
            real, imag = ca_real - db_imag, ca_imag + db_real
            store(y_real, to, c3 * real - s3 * imag)
            store(y_imag, to, c3 * imag + s3 * real)
