"""Compiled convolutions over rows of channels, which the streams of convolutional networks share.

The rows of an item lie one after the other in flat memory. A tile of samples is computed at once, so that each weight
is loaded once for all of them; each sum has a fixed order, so tiles do not change its bits.
"""

# numba turns the functions of vectors into others that take fewer arguments; no stub says so.
# pyright: reportCallIssue=false

from llvmlite.binding import get_host_cpu_features
from numba import njit

from vocoders.core.vectors import fma, load, splat, store

__all__ = ["HAS_AVX512", "convolution"]


def _has_avx512() -> bool:
    try:
        return bool(get_host_cpu_features().get("avx512f", False))
    except RuntimeError:  # llvmlite does not know this processor
        return False


#: Whether the processor has 32 registers of 512 bits: room for tiles of 8 samples of 32 channels.
HAS_AVX512 = _has_avx512()


def convolution(lanes: int, adds: bool):
    """Return the function that convolves for one group of ``lanes`` channels of one item.

    Args:
        lanes: channels of the group.
        adds: add the sums to the output, instead of replacing it.
    """
    # A tile of eight samples needs as many registers as it has vectors, and one for the weights.
    has_large_tile = HAS_AVX512 or lanes <= 8

    @njit
    def begin(y, to):
        if adds:
            return load(y, to, lanes)
        return splat(0.0, lanes)

    @njit
    def one(kernel, weight, x, at, step, taps, inputs, y, to):
        sums = begin(y, to)
        for tap in range(taps):
            for i in range(at + tap * step, at + tap * step + inputs):
                sums = fma(load(kernel, weight, lanes), splat(x[i], lanes), sums)
                weight += lanes
        store(y, to, sums)

    @njit
    def four(kernel, weight, x, at, row, step, taps, inputs, y, to, width):
        a, b, c, d = begin(y, to), begin(y, to + width), begin(y, to + 2 * width), begin(y, to + 3 * width)
        for tap in range(taps):
            for i in range(at + tap * step, at + tap * step + inputs):
                column = load(kernel, weight, lanes)
                weight += lanes
                a = fma(column, splat(x[i], lanes), a)
                b = fma(column, splat(x[i + row], lanes), b)
                c = fma(column, splat(x[i + 2 * row], lanes), c)
                d = fma(column, splat(x[i + 3 * row], lanes), d)
        store(y, to, a)
        store(y, to + width, b)
        store(y, to + 2 * width, c)
        store(y, to + 3 * width, d)

    @njit
    def eight(kernel, weight, x, at, row, step, taps, inputs, y, to, width):
        a, b, c, d = begin(y, to), begin(y, to + width), begin(y, to + 2 * width), begin(y, to + 3 * width)
        e, f, g = begin(y, to + 4 * width), begin(y, to + 5 * width), begin(y, to + 6 * width)
        h = begin(y, to + 7 * width)
        for tap in range(taps):
            for i in range(at + tap * step, at + tap * step + inputs):
                column = load(kernel, weight, lanes)
                weight += lanes
                a = fma(column, splat(x[i], lanes), a)
                b = fma(column, splat(x[i + row], lanes), b)
                c = fma(column, splat(x[i + 2 * row], lanes), c)
                d = fma(column, splat(x[i + 3 * row], lanes), d)
                e = fma(column, splat(x[i + 4 * row], lanes), e)
                f = fma(column, splat(x[i + 5 * row], lanes), f)
                g = fma(column, splat(x[i + 6 * row], lanes), g)
                h = fma(column, splat(x[i + 7 * row], lanes), h)
        store(y, to, a)
        store(y, to + width, b)
        store(y, to + 2 * width, c)
        store(y, to + 3 * width, d)
        store(y, to + 4 * width, e)
        store(y, to + 5 * width, f)
        store(y, to + 6 * width, g)
        store(y, to + 7 * width, h)

    @njit
    def convolve(kernel, weight, x, at, row, step, taps, inputs, y, to, width, length):
        n = 0
        while n < length:
            here, there = at + n * row, to + n * width
            if has_large_tile and length - n >= 8:
                eight(kernel, weight, x, here, row, step, taps, inputs, y, there, width)
                n += 8
            elif length - n >= 4:
                four(kernel, weight, x, here, row, step, taps, inputs, y, there, width)
                n += 4
            else:
                one(kernel, weight, x, here, step, taps, inputs, y, there)
                n += 1

    return convolve
