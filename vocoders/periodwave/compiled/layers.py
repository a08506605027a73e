"""Convolutions of the U-Net as the compiled loops read them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vocoders.core.packed_memory import aligned, filled
from vocoders.core.workers import Workers
from vocoders.periodwave.compiled.kernels import (
    LANES,
    ROWS,
    SUMS,
    TILES,
    WIDE,
    Grid,
    convolve_rows,
    convolve_three,
)

__all__ = ["Convolution", "Rows", "ThreeTaps", "UpConvolution", "flat_aligned"]

# Six combinations of the three taps, with which the products of F(4, 3) are weighted.
_COMBINATIONS = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
_NOTHING = np.zeros(1, np.float32)
# Tiles of one thread at least.
_LEAST_TILES = 4


@dataclass
class Rows:
    """Rows of channels in memory: flat numbers, where the columns lie, and channels rounded up to vectors."""

    values: np.ndarray
    grid: Grid
    width: int


class Convolution:
    """A convolution along rows, with stride.

    Args:
        layer: a :class:`~vocoders.periodwave.unet.RowConv`; its weights are copied.
        in_width: channels of the rows that it reads.
    """

    def __init__(self, layer: Any, in_width: int) -> None:
        weight = layer.weight.detach()
        self.width = filled(weight.shape[0], LANES)
        self.weights = _pack(weight.permute(2, 1, 0), in_width, self.width)
        self.bias = _bias(layer, self.width)
        self.taps = layer.kernel_size[0], layer.padding[0], layer.dilation[0], layer.stride[0]

    def __call__(
        self,
        workers: Workers,
        x: Rows,
        kept: Rows | None = None,
        active: Rows | None = None,
        added: Rows | None = None,
        offset: np.ndarray | None = None,
    ) -> None:
        """Write the convolution of ``x``, with ``added`` rows and ``offset``, to ``kept``; its SiLU to ``active``."""
        out = kept or active
        assert out is not None, "the result is written somewhere"
        bias = self.bias if offset is None else self.bias + offset
        first, pitch = (added.grid.first, added.grid.pitch) if added is not None else (0, 0)
        _convolve(workers, self.weights, bias, self.taps, x, out.grid, kept, active, added, first, pitch, (1, 0))


class UpConvolution:
    """A transposed convolution with twice as many taps as its stride: as many convolutions of two taps, by turns.

    Args:
        layer: a :class:`~vocoders.periodwave.unet.RowConvTranspose`; its weights are copied.
        in_width: channels of the rows that it reads.
    """

    def __init__(self, layer: Any, in_width: int) -> None:
        weight = layer.weight.detach()
        self.stride = stride = layer.stride[0]
        half = layer.padding[0]
        self.width = filled(weight.shape[1], LANES)
        self.phases = []
        for phase in range(stride):
            # Output row n * stride + phase takes tap phase + half of row n, and one of the row before or after it.
            early = phase < stride - half
            own = phase + half
            picked = [own + stride, own] if early else [own, own - stride]
            packed = _pack(weight[:, :, picked].permute(2, 0, 1), in_width, self.width)
            self.phases.append((packed, (2, 1 if early else 0, 1, 1)))
        self.bias = _bias(layer, self.width)

    def __call__(self, workers: Workers, x: Rows, kept: Rows, active: Rows, offset: np.ndarray) -> None:
        """Add the convolution of ``x`` to ``kept``, and write its SiLU to ``active``."""
        grid = kept.grid
        for phase, (weights, taps) in enumerate(self.phases):
            _convolve(
                workers, weights, self.bias + offset, taps, x, grid, kept, active, kept, grid.first, grid.pitch,
                (self.stride, phase),
            )  # fmt: skip


class ThreeTaps:
    """A centred convolution of three taps, four rows at a time; input and output have as many channels.

    Args:
        layer: a :class:`~vocoders.periodwave.unet.RowConv`; its weights are copied.
        width: channels of the rows.
    """

    def __init__(self, layer: Any, width: int) -> None:
        self.width, self.dilation = width, layer.dilation[0]
        weight = torch.einsum("pk,oik->pio", _COMBINATIONS, layer.weight.detach().double()).float()
        self.weights, self.bias = _pack(weight, width, width), _bias(layer, width)

    def __call__(self, workers: Workers, x: Rows, kept: Rows | None, active: Rows | None, adds: bool = False) -> None:
        """Write the convolution of ``x``, plus what ``kept`` has, to ``kept``, and its SiLU to ``active``."""
        grid = x.grid
        tiles = -(-grid.length // (4 * self.dilation)) * self.dilation * grid.columns
        values = tuple(_NOTHING if rows is None else rows.values for rows in (kept, active))
        workers.run(
            convolve_three, x.values, grid, self.width, self.dilation, self.weights, self.bias, self.width, values[0],
            *values, (adds, kept is not None, active is not None),
            work=-(-tiles // TILES), scratch=SUMS + 6 * (TILES + ROWS) * self.width,
        )  # fmt: skip


def _convolve(
    workers: Workers,
    weights: np.ndarray,
    bias: np.ndarray,
    taps: tuple[int, int, int, int],
    x: Rows,
    grid: Grid,
    kept: Rows | None,
    active: Rows | None,
    added: Rows | None,
    first: int,
    pitch: int,
    turn: tuple[int, int],
) -> None:
    values = tuple(_NOTHING if rows is None else rows.values for rows in (added, kept, active))
    tiles = -(-(grid.length // turn[0]) // ROWS) * grid.columns
    workers.run(
        convolve_rows, x.values, x.grid, x.width, taps, weights, bias, grid, len(bias), values[0], first, pitch,
        *values[1:], (*turn, added is not None, kept is not None, active is not None),
        work=tiles, least=_LEAST_TILES, scratch=ROWS * WIDE,
    )  # fmt: skip


def _pack(weight: Tensor, in_width: int, width: int) -> np.ndarray:
    """Return weights (taps, inputs, outputs) as (groups, taps, in_width, lanes), flat."""
    lanes = WIDE if width % WIDE == 0 else LANES
    weight = F.pad(weight, (0, width - weight.shape[2], 0, in_width - weight.shape[1]))
    return flat_aligned(weight.unflatten(2, (-1, lanes)).permute(2, 0, 1, 3))


def _bias(layer: Any, width: int) -> np.ndarray:
    bias = torch.zeros(width) if layer.bias is None else layer.bias.detach()
    return flat_aligned(F.pad(bias, (0, width - len(bias))))


def flat_aligned(tensor: Tensor) -> np.ndarray:
    """Return the numbers of a tensor in one row that begins at a cache line."""
    values = aligned(tensor.numel())
    values[:] = tensor.contiguous().numpy().reshape(-1)
    return values
