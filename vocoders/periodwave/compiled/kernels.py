"""Compiled loops of PeriodWave's U-Net: convolutions along rows of channels, as matrix products of overlapping rows.

The columns of a folded waveform lie one after another, (rows, channels), with rows of zeros before, between and after
them, so that a convolution needs no padding. A tile of twelve rows and two vectors of channels stays in registers.
Convolutions of three taps may be computed four rows at a time from six products instead of twelve, by the identity of
Winograd (Lavin and Gray, arXiv 1509.09308: F(4, 3)), which is exact up to rounding.
"""

# numba turns the functions of vectors into others that take fewer arguments; no stub says so.
# pyright: reportCallIssue=false

from typing import NamedTuple

import numpy as np
from numba import njit

from vocoders.core import tiles, vectors
from vocoders.core.compiling import compiled
from vocoders.core.tiles import multiply_tile
from vocoders.core.vectors import address, fma, load, sigmoid, splat, store, total

__all__ = [
    "LANES",
    "ROWS",
    "SUMS",
    "TILES",
    "WIDE",
    "Grid",
    "convolve_rows",
    "convolve_three",
    "merge_rows",
    "project_rows",
]

# Numbers of a vector, and of a group of channels that are summed at a time where there are as many.
LANES, WIDE = 16, 32
# Rows of a tile, and of the smaller tiles at an end.
ROWS, FEW = 12, 4
# Groups of four rows whose products are computed together.
TILES = 24
# Scratch memory of a thread: sums of six products.
SUMS = 6 * TILES * WIDE


class Grid(NamedTuple):
    """Where columns lie in memory, in rows: column c begins at ``first + c * pitch`` and has ``length`` rows."""

    first: int
    pitch: int
    length: int
    columns: int


@njit
def _multiply(sums, weights, w, x, at, row_stride, taps, tap_stride, inputs, rows, lanes):
    """Write the products of ``rows`` rows, at most twelve, to ``sums`` (rows, lanes)."""
    if lanes == WIDE:
        if rows > 2 * FEW:
            multiply_tile(sums, weights, w, x, at, row_stride, taps, tap_stride, inputs, ROWS, WIDE)
            return
        for row in range(0, rows, FEW):
            part = sums + 4 * row * WIDE
            multiply_tile(part, weights, w, x, at + row * row_stride, row_stride, taps, tap_stride, inputs, FEW, WIDE)
    else:
        if rows > 2 * FEW:
            multiply_tile(sums, weights, w, x, at, row_stride, taps, tap_stride, inputs, ROWS, LANES)
            return
        for row in range(0, rows, FEW):
            part = sums + 4 * row * LANES
            multiply_tile(part, weights, w, x, at + row * row_stride, row_stride, taps, tap_stride, inputs, FEW, LANES)


@njit
def _leave(y, at, plus, added, adds, sums, keeps, active, acts):
    """Add the bias and what was there, write the sum, and write its SiLU."""
    if adds:
        y = y + load(added, plus, LANES)
    if keeps:
        store(sums, at, y)
    if acts:
        store(active, at, y * sigmoid(y))


@compiled(vectors, tiles)
def convolve_rows(
    x,
    grid,
    inputs,
    taps,
    weights,
    bias,
    out_grid,
    width,
    added,
    added_first,
    added_pitch,
    kept,
    active,
    how,
    scratch,
    start,
    stop,
):
    """Convolve rows, add a bias and other rows, and write the sums and their SiLU.

    Args:
        x: flat rows of ``inputs`` channels in the columns of ``grid``.
        grid: where columns of the input lie.
        inputs: channels of the input.
        taps: number of taps, first row, rows between taps, rows between outputs.
        weights: (groups, taps, inputs, lanes), flat.
        bias: (width,).
        out_grid: where columns of the output lie; of each, every ``how.step``-th row from ``how.phase`` on is written.
        width: channels of the output, rounded up to vectors.
        added: rows that are added, whose columns begin at ``added_first + column * added_pitch``.
        kept, active: flat rows of the output and of its SiLU.
        how: step and phase of the output; whether to add, to write sums, to write the SiLU.
        scratch: sums of a tile.
        start, stop: tiles of this call; a column has ceil(rows / 12) of them.
    """
    x, weights, bias, added = address(x), address(weights), address(bias), address(added)
    kept, active, scratch = address(kept), address(active), address(scratch)
    count, before, dilation, stride = taps
    step, phase, adds, keeps, acts = how
    lanes = WIDE if width % WIDE == 0 else LANES
    rows = out_grid.length // step
    tiles_per_column = (rows + ROWS - 1) // ROWS
    for group in range(0, width, lanes):
        for tile in range(start, stop):
            column, t = tile // tiles_per_column, tile % tiles_per_column * ROWS
            here = min(ROWS, rows - t)
            at = (grid.first + column * grid.pitch + t * stride - before) * inputs
            _multiply(
                scratch,
                weights,
                group * count * inputs,
                x,
                at,
                stride * inputs,
                count,
                dilation * inputs,
                inputs,
                here,
                lanes,
            )
            for row in range(here):
                to = t * step + row * step + phase
                out = (out_grid.first + column * out_grid.pitch + to) * width + group
                plus = (added_first + column * added_pitch + to) * width + group
                for lane in range(0, lanes, LANES):
                    y = load(scratch, row * lanes + lane, LANES) + load(bias, group + lane, LANES)
                    _leave(y, out + lane, plus + lane, added, adds, kept, keeps, active, acts)


@njit
def _spread(x, places, inputs, spread, to, pitch):
    """Write the six combinations of six rows that are multiplied for four rows of the output."""
    zero, one, two, three, four, five = places
    for i in range(0, inputs, LANES):
        d1, d2, d3, d4 = (
            load(x, one + i, LANES),
            load(x, two + i, LANES),
            load(x, three + i, LANES),
            load(x, four + i, LANES),
        )
        even, odd = fma(d2, splat(-4.0, LANES), d4), fma(d1, splat(-4.0, LANES), d3)
        inner, outer = d4 - d2, 2.0 * (d3 - d1)
        store(spread, to + i, fma(load(x, zero + i, LANES), splat(4.0, LANES), fma(d2, splat(-5.0, LANES), d4)))
        store(spread, to + pitch + i, even + odd)
        store(spread, to + 2 * pitch + i, even - odd)
        store(spread, to + 3 * pitch + i, inner + outer)
        store(spread, to + 4 * pitch + i, inner - outer)
        store(
            spread,
            to + 5 * pitch + i,
            fma(d1, splat(4.0, LANES), fma(d3, splat(-5.0, LANES), load(x, five + i, LANES))),
        )


@compiled(vectors, tiles)
def convolve_three(
    x,
    grid,
    inputs,
    dilation,
    weights,
    bias,
    width,
    added,
    kept,
    active,
    how,
    scratch,
    start,
    stop,
):
    """Convolve rows with three taps, as :func:`convolve_rows` does; input and output lie on the same grid.

    Args:
        dilation: rows between taps; the kernel is centred.
        weights: six combinations of the taps, (groups, 6, inputs, lanes), flat.
        scratch: sums of six products, then the six combinations of the inputs of 24 tiles.
        start, stop: parts of this call; a part is 24 tiles, a tile four rows with ``dilation`` between them.
    """
    x, weights, bias, added = address(x), address(weights), address(bias), address(added)
    kept, active, scratch = address(kept), address(active), address(scratch)
    adds, keeps, acts = how
    lanes = WIDE if width % WIDE == 0 else LANES
    length = grid.length
    per_column = (length + 4 * dilation - 1) // (4 * dilation) * dilation
    every = per_column * grid.columns
    spread = scratch + 4 * SUMS
    pitch = TILES * inputs
    firsts, rows_of = np.empty(TILES, np.int64), np.empty(TILES, np.int64)
    for part in range(start, stop):
        tiles_here = min(TILES, every - part * TILES)
        for tile in range(tiles_here):
            column, place = (part * TILES + tile) // per_column, (part * TILES + tile) % per_column
            t = place // dilation * 4 * dilation + place % dilation
            base = grid.first + column * grid.pitch
            firsts[tile], rows_of[tile] = base, t
            # Beyond the rows of a column there are zeros, as in the row before it.
            nothing = (base - 1) * inputs
            t -= dilation
            zero = (base + t) * inputs
            one = (base + t + dilation) * inputs if t + dilation < length else nothing
            two = (base + t + 2 * dilation) * inputs if t + 2 * dilation < length else nothing
            three = (base + t + 3 * dilation) * inputs if t + 3 * dilation < length else nothing
            four = (base + t + 4 * dilation) * inputs if t + 4 * dilation < length else nothing
            five = (base + t + 5 * dilation) * inputs if t + 5 * dilation < length else nothing
            if t < 0 or t >= length:
                zero = nothing
            _spread(x, (zero, one, two, three, four, five), inputs, spread, tile * inputs, pitch)
        for group in range(0, width, lanes):
            for product in range(6):
                w = (group * 6 + product * lanes) * inputs
                for tile in range(0, tiles_here, ROWS):
                    sums = scratch + 4 * (product * TILES + tile) * lanes
                    _multiply(
                        sums,
                        weights,
                        w,
                        spread,
                        product * pitch + tile * inputs,
                        inputs,
                        1,
                        0,
                        inputs,
                        min(ROWS, tiles_here - tile),
                        lanes,
                    )
            for tile in range(tiles_here):
                for lane in range(0, lanes, LANES):
                    at = tile * lanes + lane
                    skip = TILES * lanes
                    m1, m2 = load(scratch, at + skip, LANES), load(scratch, at + 2 * skip, LANES)
                    m3, m4 = load(scratch, at + 3 * skip, LANES), load(scratch, at + 4 * skip, LANES)
                    offset = load(bias, group + lane, LANES)
                    even, odd, inner, outer = m1 + m2 + offset, m1 - m2 + offset, m3 + m4, m3 - m4
                    t = rows_of[tile]
                    out = (firsts[tile] + t) * width + group + lane
                    next_ = dilation * width
                    if t < length:
                        y = load(scratch, at, LANES) + even + inner
                        _leave(y, out, out, added, adds, kept, keeps, active, acts)
                    if t + dilation < length:
                        out += next_
                        y = fma(outer, splat(2.0, LANES), odd)
                        _leave(y, out, out, added, adds, kept, keeps, active, acts)
                    if t + 2 * dilation < length:
                        out += next_
                        y = fma(inner, splat(4.0, LANES), even)
                        _leave(y, out, out, added, adds, kept, keeps, active, acts)
                    if t + 3 * dilation < length:
                        out += next_
                        y = fma(outer, splat(8.0, LANES), odd) + load(scratch, at + 5 * skip, LANES)
                        _leave(y, out, out, added, adds, kept, keeps, active, acts)


@compiled(vectors)
def merge_rows(x, grid, period, width, factor, first, merged, merged_grid, active, last, start, stop):
    """Add ``factor`` times unfolded columns to a signal, or set it to them if ``first``.

    ``merged`` has rows of ``width`` channels for each sample; ``last`` also writes the SiLU. Samples of this call are
    those from ``start`` to ``stop`` of all items.
    """
    length = merged_grid.length
    for sample in range(start, stop):
        item, t = sample // length, sample % length
        at = (grid.first + (item * period + t % period) * grid.pitch + t // period) * width
        to = (merged_grid.first + item * merged_grid.pitch + t) * width
        for i in range(0, width, LANES):
            y = factor * load(x, at + i, LANES)
            if not first:
                y = y + load(merged, to + i, LANES)
            store(merged, to + i, y)
            if last:
                store(active, to + i, y * sigmoid(y))


@compiled(vectors)
def project_rows(x, grid, width, taps, weights, out, start, stop):
    """Convolve rows to one channel; ``weights`` (taps, width), flat; ``out`` flat samples of all items."""
    length = grid.length
    for sample in range(start, stop):
        item, t = sample // length, sample % length
        at = (grid.first + item * grid.pitch + t - taps // 2) * width
        sums = splat(0.0, LANES)
        for i in range(0, taps * width, LANES):
            sums = fma(load(x, at + i, LANES), load(weights, i, LANES), sums)
        out[sample] = total(sums)
