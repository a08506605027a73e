"""Compiled blocks of a TCN on a CPU: convolution, modulation, PReLU and residual path in one pass.

A row of memory contains the channels of one sample, so the taps of a dilated convolution are whole rows, read in place,
and outputs are vectors of channels. Each sum has a fixed order, so blocks of any size give the same bits.
"""

# numba turns the functions of vectors into others that take fewer arguments; no stub says so.
# pyright: reportCallIssue=false

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn

from effects.models import rows
from effects.models.rows import LANES, padded_channels
from effects.runtimes import convolutions
from effects.runtimes.convolutions import HAS_AVX512, convolution
from vocoders.core import vectors
from vocoders.core.compiling import compiled
from vocoders.core.packed_memory import LayoutBuilder
from vocoders.core.vectors import fma, load, positive_part, splat, store, total

if TYPE_CHECKING:
    from effects.models.tcn import TCN, TCNBlock

__all__ = ["PackedBlock", "PackedTCN", "project", "run_block"]


# Channels of a group, whose part of a kernel is contiguous; the rest forms a narrow group.
_GROUP = 2 * LANES if HAS_AVX512 else LANES


class PackedBlock(NamedTuple):
    """Starts of a block's weights, in the order in which :func:`run_block` reads them, and its sizes.

    Attributes:
        kernel: consecutive groups of channels, each (taps * in, channels of the group).
        slopes: slopes of the PReLU, (width,).
        residual: gains of the residual path, (in, width), or (1, width) if it is paired.
        taps: number of taps.
        dilation: samples between taps.
        inputs: input channels.
        residual_start: first sample of the context for the residual path.
        is_paired: whether the residual path adds each channel to itself, in rows of the same width.
    """

    kernel: int
    slopes: int
    residual: int
    taps: int
    dilation: int
    inputs: int
    residual_start: int
    is_paired: bool


class PackedTCN:
    """The weights of all blocks and of the projection after them, for compiled code.

    Args:
        model: the network.
    """

    def __init__(self, model: "TCN") -> None:
        self._layout, self._values = LayoutBuilder({"weights": np.float32}, LANES), {}
        self.blocks = [
            self._add_block(f"blocks.{index}", block, width)
            for index, (block, width) in enumerate(zip(model.blocks, model.row_widths, strict=True))
        ]
        self.contexts = [block.context for block in model.blocks]
        projection = model.projection
        self._width = padded_channels(projection.in_channels)
        self._add("projection", _padded(projection.weight[..., 0], self._width))
        assert projection.bias is not None
        self._bias = projection.bias.detach().numpy()
        self.layout = self._layout.finish()
        arrays = self.layout.allocate()
        for name, values in self._values.items():
            self.layout.view(arrays, name)[...] = values
        self._weights, self._projection = arrays["weights"], self.layout.view(arrays, "projection")
        del self._values

    def _add(self, name: str, values: np.ndarray) -> int:
        self._values[name] = values
        return self._layout.place("weights", name, *values.shape)

    def _add_block(self, name: str, block: "TCNBlock", input_width: int) -> PackedBlock:
        """Place a block with input rows of ``input_width`` channels."""
        channels, inputs, taps = block.conv.weight.shape
        width = padded_channels(channels)
        kernel = _padded(block.conv.weight.permute(2, 1, 0).reshape(taps * inputs, channels), width)
        kernel = np.concatenate([kernel[:, first:last].ravel() for first, last in _groups(width)])
        is_paired = inputs == channels and input_width == width
        if is_paired:
            gains = block.residual.weight.reshape(1, channels)
        else:
            owner = torch.arange(channels) // (channels // inputs)
            gains = block.residual.weight.reshape(channels) * nn.functional.one_hot(owner, inputs).T
        starts = (
            self._add(f"{name}.kernel", kernel),
            self._add(f"{name}.slopes", _padded(block.activation.weight.expand(channels), width)),
            self._add(f"{name}.residual", _padded(gains, width)),
        )
        return PackedBlock(*starts, taps, block.conv.dilation[0], inputs, block.residual_start, is_paired)

    def run(self, x: np.ndarray, histories: list[np.ndarray], films: list[np.ndarray], start: int) -> np.ndarray:
        """Run the next samples of a stream.

        Args:
            x: input of the first block, (B, T, in).
            histories: rows of the input of each block, (B, N, width), to which new rows are appended.
            films: gains and shifts of each block, (B, 2, 1 or T, width).
            start: first row of the context of the first output.

        Returns:
            Features (B, n, T).
        """
        batch, length, _ = x.shape
        histories[0][:, start + self.contexts[0] : start + self.contexts[0] + length] = x
        rows = [*histories, np.empty((batch, length, self._width), np.float32)]
        places = [*(start + context for context in self.contexts[1:]), 0]
        for index, (block, film) in enumerate(zip(self.blocks, films, strict=True)):
            run_block(self._weights, *block, film, rows[index], start, rows[index + 1], places[index], length)
        features = np.empty((batch, len(self._bias), length), np.float32)
        project(self._projection, self._bias, rows[-1], features)
        return features


def _padded(tensor: Tensor, width: int) -> np.ndarray:
    tensor = nn.functional.pad(tensor.detach(), (0, width - tensor.shape[-1]))
    return np.ascontiguousarray(tensor.float().numpy())


def _groups(width: int) -> list[tuple[int, int]]:
    """Divide channels into groups, and a narrow one for the rest."""
    return [(first, min(first + _GROUP, width)) for first in range(0, width, _GROUP)]


_convolve_group, _convolve_lanes = convolution(_GROUP, adds=False), convolution(LANES, adds=False)


@njit
def _finish(film, weights, slopes, residual, inputs, is_paired, x, dry, row, y, to, width, length):
    """Modulate the convolved rows of one item, apply the PReLU and add the residual path."""
    # Gains come first, then shifts; both are constant or have a row for each sample.
    shifts = len(film) // 2
    move = width if shifts > width else 0
    for n in range(length):
        for channel in range(0, width, LANES):
            at, gain = to + n * width + channel, n * move + channel
            value = fma(load(y, at, LANES), load(film, gain, LANES), load(film, shifts + gain, LANES))
            positive = positive_part(value)
            value = fma(load(weights, slopes + channel, LANES), value - positive, positive)
            if is_paired:
                gains = load(weights, residual + channel, LANES)
                value = fma(gains, load(x, dry + n * row + channel, LANES), value)
            else:
                for i in range(inputs):
                    gains = load(weights, residual + i * width + channel, LANES)
                    value = fma(gains, splat(x[dry + n * row + i], LANES), value)
            store(y, at, value)


@compiled(convolutions, rows, vectors)
def run_block(
    weights, kernel, slopes, residual, taps, dilation, inputs, residual_start, is_paired, film, x, start, y, to, length
):
    """Run one block over the next samples of a stream.

    ``weights`` is flat; the arguments after it, up to ``is_paired``, are the fields of :class:`PackedBlock`. The rows
    of x (B, N, at least inputs) from ``start`` on are the context and the inputs. The ``length`` outputs are written to
    the rows of y (B, M, width) from ``to`` on; y must not be x. ``film`` (B, 2, 1 or length, width) contains gains and
    shifts. All arrays are contiguous float32.
    """
    batch, rows_in, row = x.shape
    rows_out, width = y.shape[1:]
    flat_x, flat_y, step = x.reshape(-1), y.reshape(-1), dilation * row
    for b in range(batch):
        at, target, channel = (b * rows_in + start) * row, (b * rows_out + to) * width, 0
        while channel < width:
            weight, there = kernel + channel * taps * inputs, target + channel
            if _GROUP > LANES and width - channel >= _GROUP:
                _convolve_group(weights, weight, flat_x, at, row, step, taps, inputs, flat_y, there, width, length)
                channel += _GROUP
            else:
                _convolve_lanes(weights, weight, flat_x, at, row, step, taps, inputs, flat_y, there, width, length)
                channel += LANES
        dry, gains = at + residual_start * row, film[b].reshape(-1)
        _finish(gains, weights, slopes, residual, inputs, is_paired, flat_x, dry, row, flat_y, target, width, length)


@compiled(rows, vectors)
def project(weight, bias, x, y):
    """Project rows x (B, T, width) to y (B, features, T); ``weight`` is (features, width), ``bias`` (features,)."""
    batch, length, width = x.shape
    flat_x, weights = x.reshape(-1), weight.reshape(-1)
    for b in range(batch):
        for n in range(length):
            at = (b * length + n) * width
            for feature in range(len(bias)):
                sums = splat(0.0, LANES)
                for channel in range(0, width, LANES):
                    column = load(weights, feature * width + channel, LANES)
                    sums = fma(column, load(flat_x, at + channel, LANES), sums)
                y[b, feature, n] = total(sums) + bias[feature]
