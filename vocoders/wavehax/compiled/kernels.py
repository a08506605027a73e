"""Compiled loops over Wavehax's image: frames that stay in the cache, channels in registers.

An image has a row of channels for each bin and frame, (frames + 1, rows, channels); the last frame is zero. Above and
below the bins of a frame lie the margins of the depthwise kernel, reflected when the frame is written, and rows that
fill the last tile. Eight neighbouring bins form a tile, one vector of sums for each; a weight is then read once for
eight products, and eight sums in turn hide the time that a product takes.
"""

# numba turns the functions of vectors into others that take fewer arguments; no stub says so.
# pyright: reportCallIssue=false

import numpy as np
from numba import njit

from vocoders.core import vectors
from vocoders.core.compiling import compiled
from vocoders.core.vectors import REGISTER, fma, gelu, load, repeat, splat, store, total
from vocoders.layers.norms import EPSILON

__all__ = [
    "LANES",
    "TILE",
    "advance_frames",
    "convolve_frames",
    "enter_frames",
    "measure_frames",
    "mix_frames",
    "normalise_frames",
]

# Channels that lie together in memory, and bins of a tile.
LANES, TILE = 16, 8


@njit
def _first_weight(group, inputs):
    """Return the place of the first weight of the channels from ``group`` on, each of so many inputs."""
    return group // LANES * LANES * inputs + group % LANES


@njit
def _convolve(x, weights, places, bin_, channels, taps, y):
    """Write the depthwise convolution of a tile of bins; ``places`` are the starts of the frames under the kernel."""
    for group in range(0, channels, REGISTER):
        w = _first_weight(group, taps * len(places))
        a = b = c = d = e = f = g = h = splat(0.0, REGISTER)
        for place in places:
            at = place + bin_ * channels + group
            for _ in range(taps):
                weight = load(weights, w, REGISTER)
                a = fma(weight, load(x, at, REGISTER), a)
                b = fma(weight, load(x, at + channels, REGISTER), b)
                c = fma(weight, load(x, at + 2 * channels, REGISTER), c)
                d = fma(weight, load(x, at + 3 * channels, REGISTER), d)
                e = fma(weight, load(x, at + 4 * channels, REGISTER), e)
                f = fma(weight, load(x, at + 5 * channels, REGISTER), f)
                g = fma(weight, load(x, at + 6 * channels, REGISTER), g)
                h = fma(weight, load(x, at + 7 * channels, REGISTER), h)
                at += channels
                w += LANES
        to = bin_ * channels + group
        store(y, to, a)
        store(y, to + channels, b)
        store(y, to + 2 * channels, c)
        store(y, to + 3 * channels, d)
        store(y, to + 4 * channels, e)
        store(y, to + 5 * channels, f)
        store(y, to + 6 * channels, g)
        store(y, to + 7 * channels, h)


@njit
def _multiply(weights, w, x, at, inputs, bias, b_at):
    """Return the products of eight rows of ``inputs`` numbers with the columns of a group: eight vectors of sums."""
    a = b = c = d = e = f = g = h = load(bias, b_at, REGISTER)
    for i in range(at, at + inputs):
        weight = load(weights, w, REGISTER)
        w += LANES
        a = fma(weight, repeat(x, i, REGISTER), a)
        b = fma(weight, repeat(x, i + inputs, REGISTER), b)
        c = fma(weight, repeat(x, i + 2 * inputs, REGISTER), c)
        d = fma(weight, repeat(x, i + 3 * inputs, REGISTER), d)
        e = fma(weight, repeat(x, i + 4 * inputs, REGISTER), e)
        f = fma(weight, repeat(x, i + 5 * inputs, REGISTER), f)
        g = fma(weight, repeat(x, i + 6 * inputs, REGISTER), g)
        h = fma(weight, repeat(x, i + 7 * inputs, REGISTER), h)
    return a, b, c, d, e, f, g, h


@njit
def _mix(first, first_bias, second, second_bias, y, at, channels, hidden, held, x, to, out):
    """Add the pointwise pair of a tile of eight rows of ``y`` to ``x``, and write the sum to ``out``."""
    for group in range(0, hidden, REGISTER):
        a, b, c, d, e, f, g, h = _multiply(first, _first_weight(group, channels), y, at, channels, first_bias, group)
        store(held, group, a)
        store(held, group + hidden, b)
        store(held, group + 2 * hidden, c)
        store(held, group + 3 * hidden, d)
        store(held, group + 4 * hidden, e)
        store(held, group + 5 * hidden, f)
        store(held, group + 6 * hidden, g)
        store(held, group + 7 * hidden, h)
    for i in range(0, TILE * hidden, REGISTER):
        store(held, i, gelu(load(held, i, REGISTER)))
    for group in range(0, channels, REGISTER):
        a, b, c, d, e, f, g, h = _multiply(second, _first_weight(group, hidden), held, 0, hidden, second_bias, group)
        there = to + group
        store(out, there, load(x, there, REGISTER) + a)
        store(out, there + channels, load(x, there + channels, REGISTER) + b)
        store(out, there + 2 * channels, load(x, there + 2 * channels, REGISTER) + c)
        store(out, there + 3 * channels, load(x, there + 3 * channels, REGISTER) + d)
        store(out, there + 4 * channels, load(x, there + 4 * channels, REGISTER) + e)
        store(out, there + 5 * channels, load(x, there + 5 * channels, REGISTER) + f)
        store(out, there + 6 * channels, load(x, there + 6 * channels, REGISTER) + g)
        store(out, there + 7 * channels, load(x, there + 7 * channels, REGISTER) + h)


@njit
def _moments(y, at, size, padding, count):
    """Return the sum of ``size`` numbers from ``at`` on, and of the squares of their distances to their mean."""
    sums = splat(0.0, LANES)
    for i in range(at, at + size, LANES):
        sums = sums + load(y, i, LANES)
    whole = total(sums)
    mean = np.float32(whole / count)
    squares = splat(0.0, LANES)
    for i in range(at, at + size, LANES):
        distance = load(y, i, LANES) - mean
        squares = fma(distance, distance, squares)
    # Channels that only fill the last vector are 0.
    return whole, total(squares) - padding * mean * mean


@njit
def _standardise(y, at, size, mean, rate):
    """Subtract the mean of numbers and multiply them by ``rate``."""
    scale, shift = splat(rate, LANES), splat(np.float32(-mean * rate), LANES)
    for i in range(at, at + size, LANES):
        store(y, i, fma(load(y, i, LANES), scale, shift))


@njit
def _reflect(out, at, bins, margin, channels):
    """Reflect the first and last bins of a frame into its margins."""
    low = at + margin * channels
    high = low + (bins - 1) * channels
    for row in range(1, margin + 1):
        for channel in range(0, channels, LANES):
            store(out, low - row * channels + channel, load(out, low + row * channels + channel, LANES))
            store(out, high + row * channels + channel, load(out, high - row * channels + channel, LANES))


@njit
def _source_frame(index, count, reflects):
    """Return the frame at an index that may lie beyond either end of ``count`` frames; frame ``count`` is zero."""
    if 0 <= index < count:
        return index
    if not reflects:
        return count
    return -index if index < 0 else 2 * (count - 1) - index


@njit
def _statistics(y, at, bins, channels, real):
    """Return mean and reciprocal deviation of the bins of a frame."""
    count = bins * real
    summed, squares = _moments(y, at, bins * channels, bins * (channels - real), count)
    return np.float32(summed / count), np.float32(1 / np.sqrt(squares / count + EPSILON))


@compiled(vectors)
def enter_frames(image, weights, bins, margin, out, start, stop):
    """Project the planes of frames, (frames, rows, planes), to channels; ``weights`` (channels / 16, planes, 16)."""
    rows, planes = image.shape[1:]
    channels = out.shape[2]
    source, target = image.reshape(-1), out.reshape(-1)
    stride, nothing = out.shape[1] * channels, np.zeros(LANES, np.float32)
    for n in range(start, stop):
        for bin_ in range(0, rows, TILE):
            to, at = n * stride + (margin + bin_) * channels, (n * rows + bin_) * planes
            for group in range(0, channels, REGISTER):
                a, b, c, d, e, f, g, h = _multiply(
                    weights, _first_weight(group, planes), source, at, planes, nothing, 0
                )
                store(target, to + group, a)
                store(target, to + group + channels, b)
                store(target, to + group + 2 * channels, c)
                store(target, to + group + 3 * channels, d)
                store(target, to + group + 4 * channels, e)
                store(target, to + group + 5 * channels, f)
                store(target, to + group + 6 * channels, g)
                store(target, to + group + 7 * channels, h)


@compiled(vectors)
def measure_frames(x, bins, margin, real, moments, start, stop):
    """Write the sum of each frame, and of the squares of the distances to its mean, to ``moments`` (frames, 2)."""
    channels, source = x.shape[2], x.reshape(-1)
    for n in range(start, stop):
        at = (n * x.shape[1] + margin) * channels
        moments[n, 0], moments[n, 1] = _moments(source, at, bins * channels, bins * (channels - real), bins * real)


@compiled(vectors)
def normalise_frames(x, bins, margin, real, mean, rate, per_frame, affine, start, stop):
    """Normalise frames in place, with the gains and offsets ``affine`` (2, channels), and reflect their margins."""
    channels = x.shape[2]
    source, gains, stride = x.reshape(-1), affine.reshape(-1), x.shape[1] * channels
    for n in range(start, stop):
        at = n * stride + margin * channels
        if per_frame:
            mean, rate = _statistics(source, at, bins, channels, real)
        scale, shift = splat(rate, LANES), splat(np.float32(-mean * rate), LANES)
        for row in range(at, at + bins * channels, channels):
            for group in range(0, channels, LANES):
                value = fma(load(source, row + group, LANES), scale, shift)
                value = fma(value, load(gains, group, LANES), load(gains, channels + group, LANES))
                store(source, row + group, value)
        _reflect(source, n * stride, bins, margin, channels)


@compiled(vectors)
def convolve_frames(x, kernel, bins, taps, before, width, reflects, real, y, moments, start, stop):
    """Write the depthwise convolution of frames to ``y`` (frames, rows, channels), and their sums to ``moments``."""
    frames, channels = x.shape[0] - 1, x.shape[2]
    stride, source, target = x.shape[1] * channels, x.reshape(-1), y.reshape(-1)
    places = np.empty(width, np.int64)
    length = y.shape[1] * channels
    for n in range(start, stop):
        for tap in range(width):
            places[tap] = _source_frame(n + tap - before, frames, reflects) * stride
        frame = target[n * length : (n + 1) * length]
        for bin_ in range(0, y.shape[1], TILE):
            _convolve(source, kernel, places, bin_, channels, taps, frame)
        moments[n, 0], moments[n, 1] = _moments(frame, 0, bins * channels, bins * (channels - real), bins * real)


@compiled(vectors)
def mix_frames(x, y, first, first_bias, second, second_bias, bins, margin, out, held, start, stop):
    """Add the pointwise pair of the frames ``y`` to ``x``, and write the sums to ``out``."""
    channels, hidden = x.shape[2], len(first_bias)
    stride, source, middle, target = x.shape[1] * channels, x.reshape(-1), y.reshape(-1), out.reshape(-1)
    rows = y.shape[1]
    for n in range(start, stop):
        at = n * rows * channels
        for bin_ in range(0, rows, TILE):
            to = n * stride + (margin + bin_) * channels
            _mix(
                first,
                first_bias,
                second,
                second_bias,
                middle,
                at + bin_ * channels,
                channels,
                hidden,
                held,
                source,
                to,
                target,
            )
        _reflect(target, n * stride, bins, margin, channels)


@compiled(vectors)
def advance_frames(
    x,
    kernel,
    taps,
    before,
    width,
    reflects,
    real,
    per_frame,
    first,
    first_bias,
    second,
    second_bias,
    bins,
    margin,
    out,
    held,
    start,
    stop,
):
    """Run a block whose norm is local over frames: each frame is read once, and stays in the cache until it is done."""
    frames, channels, hidden = x.shape[0] - 1, x.shape[2], len(first_bias)
    stride, source, target = x.shape[1] * channels, x.reshape(-1), out.reshape(-1)
    rows = (bins + TILE - 1) // TILE * TILE
    # Both start at a cache line, as rows do: a vector across two lines would take two loads.
    frame = held[TILE * hidden : TILE * hidden + rows * channels]
    places = np.empty(width, np.int64)
    for n in range(start, stop):
        for tap in range(width):
            places[tap] = _source_frame(n + tap - before, frames, reflects) * stride
        for bin_ in range(0, rows, TILE):
            _convolve(source, kernel, places, bin_, channels, taps, frame)
        if per_frame:
            mean, rate = _statistics(frame, 0, bins, channels, real)
            _standardise(frame, 0, rows * channels, mean, rate)
        for bin_ in range(0, rows, TILE):
            to = n * stride + (margin + bin_) * channels
            _mix(
                first,
                first_bias,
                second,
                second_bias,
                frame,
                bin_ * channels,
                channels,
                hidden,
                held,
                source,
                to,
                target,
            )
        _reflect(target, n * stride, bins, margin, channels)
