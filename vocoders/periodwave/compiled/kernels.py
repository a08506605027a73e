"""Compiled loops of PeriodWave's U-Net: convolutions along rows of channels, as matrix products of overlapping rows.

The columns of a folded waveform lie one after another, (rows, channels), with rows of zeros before, between and after
them, so that a convolution needs no padding. A tile of some rows and channels stays in registers.
Convolutions of three taps may be computed four rows at a time from six products instead of twelve, by the identity of
Winograd (Lavin and Gray, arXiv 1509.09308: F(4, 3)), which is exact up to rounding.
"""

# numba turns the functions of vectors into others that take fewer arguments; no stub says so.
# pyright: reportCallIssue=false

from typing import NamedTuple

import numpy as np
from llvmlite.binding import get_host_cpu_features
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

# Numbers of a vector. Then what makes a tile that fits the registers: channels where there are as many, rows, and rows
# of the smaller tiles at an end. AVX-512 has 32 registers of 16 numbers, AVX2 16 of 8, NEON 32 of 4.
LANES = 16
WIDE, ROWS, FEW = (32, 12, 4) if get_host_cpu_features().get("avx512f") else (16, 6, 2)
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
    """Write the products of ``rows`` rows, at most ``ROWS``, to ``sums`` (rows, lanes)."""
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

    ``x`` has rows of ``inputs`` channels in the columns of ``grid``. ``taps``: number of taps, first row, rows between
    taps, rows between outputs. ``weights`` (groups, taps, inputs, lanes), flat; ``bias`` (width,), ``width`` being
    rounded up to vectors. ``out_grid`` is where the columns of the output lie; of each, every ``step``-th row from
    ``phase`` on is written. Columns of the rows ``added`` begin at ``added_first + column * added_pitch``. The sums go
    to ``kept``, their SiLU to ``active``. ``how``: step, phase, whether to add, to write sums, to write the SiLU.
    ``scratch`` is memory for the sums of a tile; ``start`` and ``stop`` count tiles, of which a column has
    ceil(rows / ROWS).
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
def _spread(x, places, inputs, spread, pitch):
    """Write the six combinations of six rows that are multiplied for four rows of the output."""
    for i in range(0, inputs, LANES):
        d1, d2 = load(x, places[1] + i, LANES), load(x, places[2] + i, LANES)
        d3, d4 = load(x, places[3] + i, LANES), load(x, places[4] + i, LANES)
        even, odd = fma(d2, splat(-4.0, LANES), d4), fma(d1, splat(-4.0, LANES), d3)
        inner, outer = d4 - d2, 2.0 * (d3 - d1)
        first, last = fma(d2, splat(-5.0, LANES), d4), fma(d3, splat(-5.0, LANES), load(x, places[5] + i, LANES))
        store(spread, i, fma(load(x, places[0] + i, LANES), splat(4.0, LANES), first))
        store(spread, pitch + i, even + odd)
        store(spread, 2 * pitch + i, even - odd)
        store(spread, 3 * pitch + i, inner + outer)
        store(spread, 4 * pitch + i, inner - outer)
        store(spread, 5 * pitch + i, fma(d1, splat(4.0, LANES), last))


@njit
def _source(base, t, length, inputs):
    """Return where row ``t`` of a column is; beyond its rows there are zeros, as in the row before it."""
    return (base + (t if 0 <= t < length else -1)) * inputs


@njit
def _join(products, skip, offset, t, length, at, step, added, adds, kept, keeps, active, acts):
    """Leave the four rows of a tile that six products give, as far as they are in the column."""
    m1, m2 = load(products, skip, LANES), load(products, 2 * skip, LANES)
    m3, m4 = load(products, 3 * skip, LANES), load(products, 4 * skip, LANES)
    even, odd, inner, outer = m1 + m2 + offset, m1 - m2 + offset, m3 + m4, m3 - m4
    if t[0] < length:
        _leave(load(products, 0, LANES) + even + inner, at, at, added, adds, kept, keeps, active, acts)
    if t[1] < length:
        at += step
        _leave(fma(outer, splat(2.0, LANES), odd), at, at, added, adds, kept, keeps, active, acts)
    if t[2] < length:
        at += step
        _leave(fma(inner, splat(4.0, LANES), even), at, at, added, adds, kept, keeps, active, acts)
    if t[3] < length:
        at += step
        last = fma(outer, splat(8.0, LANES), odd) + load(products, 5 * skip, LANES)
        _leave(last, at, at, added, adds, kept, keeps, active, acts)


@compiled(vectors, tiles)
def convolve_three(
    x, grid, inputs, dilation, weights, bias, width, added, kept, active, how, scratch, start, stop
):  # fmt: skip
    """Convolve rows with three taps, as :func:`convolve_rows` does; input and output lie on the same grid.

    ``dilation`` is the number of rows between taps, and the kernel is centred. ``weights`` are six combinations of the
    taps, (groups, 6, inputs, lanes), flat. ``how``: whether to add, to write sums, to write the SiLU. ``scratch`` is
    memory for the sums of six products, then for six combinations of the inputs of 24 tiles. A tile is four rows with
    ``dilation`` between them, and ``start`` and ``stop`` count parts of 24 tiles.
    """
    x, weights, bias, added = address(x), address(weights), address(bias), address(added)
    kept, active, scratch = address(kept), address(active), address(scratch)
    adds, keeps, acts = how
    lanes = WIDE if width % WIDE == 0 else LANES
    length, d = grid.length, dilation
    per_column = (length + 4 * d - 1) // (4 * d) * d
    spread, pitch, skip = scratch + 4 * SUMS, TILES * inputs, TILES * lanes
    bases, rows = np.empty(TILES, np.int64), np.empty(TILES, np.int64)
    for part in range(start, stop):
        here = min(TILES, per_column * grid.columns - part * TILES)
        for tile in range(here):
            column, place = (part * TILES + tile) // per_column, (part * TILES + tile) % per_column
            t = place // d * 4 * d + place % d
            base = grid.first + column * grid.pitch
            bases[tile], rows[tile] = base, t
            zero, one = _source(base, t - d, length, inputs), _source(base, t, length, inputs)
            two, three = _source(base, t + d, length, inputs), _source(base, t + 2 * d, length, inputs)
            four, five = _source(base, t + 3 * d, length, inputs), _source(base, t + 4 * d, length, inputs)
            _spread(x, (zero, one, two, three, four, five), inputs, spread + 4 * tile * inputs, pitch)
        for group in range(0, width, lanes):
            for product in range(6):
                w, combined = (group * 6 + product * lanes) * inputs, product * pitch
                for tile in range(0, here, ROWS):
                    sums, at, count = (
                        scratch + 4 * (product * skip + tile * lanes),
                        combined + tile * inputs,
                        here - tile,
                    )
                    _multiply(sums, weights, w, spread, at, inputs, 1, 0, inputs, min(ROWS, count), lanes)
            for tile in range(here):
                t = rows[tile]
                times, at = (t, t + d, t + 2 * d, t + 3 * d), (bases[tile] + t) * width + group
                for lane in range(0, lanes, LANES):
                    products, offset = scratch + 4 * (tile * lanes + lane), load(bias, group + lane, LANES)
                    _join(
                        products, skip, offset, times, length, at + lane, d * width, added, adds, kept, keeps, active,
                        acts,
                    )  # fmt: skip


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
