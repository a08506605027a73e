"""A block of a TCN on a CPU, compiled: convolution, modulation, PReLU and residual path in one pass.

Time runs slowest: a row of memory holds the channels of one sample, so the taps of a dilated convolution are whole rows
where they lie, nothing is gathered, and outputs are vectors of channels. Each sum is made in one order whatever the
number of samples, so blocks of any size give the same bits.
"""

from typing import NamedTuple

import numpy as np
import torch
from llvmlite.binding import get_host_cpu_features
from numba import njit
from torch import Tensor, nn

from vocoders.core.compiling import compiled
from vocoders.layers import vectors
from vocoders.layers.vectors import fma, load, positive_part, splat, store, total

__all__ = ["PackedBlock", "PackedTCN", "padded_channels", "project", "run_block"]

# Rows hold multiples of this many channels; what fills them up is zero.
_LANES = 16


def _has_avx512() -> bool:
    try:
        return bool(get_host_cpu_features().get("avx512f", False))
    except RuntimeError:  # llvmlite does not know this kind of processor
        return False


# With 32 registers of 512 bits, a tile of 32 channels and 8 samples takes 16 of them and reads each weight once.
_HAS_AVX512 = _has_avx512()


class PackedBlock(NamedTuple):
    """A block's weights in the order in which :func:`run_block` reads them; widths are padded.

    Attributes:
        kernel: groups of channels one after the other, each (taps * in, channels of the group), flat.
        slopes: of the PReLU, (width,).
        residual: gains of the residual path, (in, width), or (1, width) if it is paired.
        taps: number of taps.
        dilation: samples between taps.
        inputs: input channels.
        residual_start: sample of the context that the residual path takes.
        is_paired: whether each channel of the residual path meets itself, in rows of the same width.
    """

    kernel: np.ndarray
    slopes: np.ndarray
    residual: np.ndarray
    taps: int
    dilation: int
    inputs: int
    residual_start: int
    is_paired: bool

    @classmethod
    def of(
        cls, conv: nn.Conv1d, activation: nn.PReLU, residual: nn.Conv1d, residual_start: int, input_width: int
    ) -> "PackedBlock":
        """Pack a block: a convolution in -> C, a PReLU of C slopes, a residual path of C gains, grouped by inputs.

        Args:
            conv: see above, as ``activation`` and ``residual``.
            activation: see above.
            residual: see above.
            residual_start: sample of the context that belongs to the first output.
            input_width: channels of a row of the input, with what fills it up.
        """
        channels, inputs, taps = conv.weight.shape
        width = padded_channels(channels)
        rows = _padded(conv.weight.permute(2, 1, 0).reshape(taps * inputs, channels), width)
        kernel = np.concatenate([rows[:, first:last].reshape(-1) for first, last in _groups(width)])
        slopes = _padded(activation.weight.expand(channels), width)
        is_paired = inputs == channels and input_width == width
        if is_paired:
            gains = residual.weight.reshape(1, channels)
        else:
            owner = torch.arange(channels, device=conv.weight.device) // (channels // inputs)
            gains = residual.weight.reshape(channels) * nn.functional.one_hot(owner, inputs).T
        sizes = taps, conv.dilation[0], inputs, residual_start
        return cls(kernel, slopes, _padded(gains, width), *sizes, is_paired)


class PackedTCN:
    """The weights of all blocks and of the projection behind them, for compiled code.

    Args:
        blocks: all of them.
        projection: convolution of one tap from the last block's channels to features.
    """

    def __init__(self, blocks: list[PackedBlock], projection: nn.Conv1d) -> None:
        self.blocks = blocks
        self.contexts = [(block.taps - 1) * block.dilation for block in self.blocks]
        self._width = padded_channels(projection.in_channels)
        self._weight, self._bias = _padded(projection.weight[..., 0], self._width), projection.bias.detach().numpy()

    def run(self, x: np.ndarray, histories: list[np.ndarray], films: list[np.ndarray], start: int) -> np.ndarray:
        """Run the next samples of a stream.

        Args:
            x: what enters the first block, (B, T, in).
            histories: rows of the input of each block, (B, N, width), behind which new ones are written.
            films: gains and shifts of each block, (B, 2, 1 or T, width).
            start: row with which the contexts of the first output begin.

        Returns:
            Features (B, n, T).
        """
        batch, length, _ = x.shape
        histories[0][:, start + self.contexts[0] : start + self.contexts[0] + length] = x
        rows = [*histories, np.empty((batch, length, self._width), np.float32)]
        places = [*(start + context for context in self.contexts[1:]), 0]
        for index, (block, film) in enumerate(zip(self.blocks, films, strict=True)):
            run_block(*block, film, rows[index], start, rows[index + 1], places[index], length)
        features = np.empty((batch, len(self._bias), length), np.float32)
        project(self._weight, self._bias, rows[-1], features)
        return features


def padded_channels(channels: int) -> int:
    """Return the width of rows of ``channels`` channels."""
    return -(-channels // _LANES) * _LANES


def _padded(tensor: Tensor, width: int) -> np.ndarray:
    tensor = nn.functional.pad(tensor.detach(), (0, width - tensor.shape[-1]))
    return np.ascontiguousarray(tensor.cpu().float().numpy())


def _groups(width: int) -> list[tuple[int, int]]:
    """Divide channels into groups of 32 where registers suffice, and one of 16 for the rest."""
    size = 32 if _HAS_AVX512 else _LANES
    return [(first, min(first + size, width)) for first in range(0, width, size)]


def _convolution(lanes: int):
    """Return the function that convolves for one group of ``lanes`` channels of one item."""

    @njit
    def one(kernel, weight, x, at, step, taps, inputs, y, to):
        sums = splat(0.0, lanes)
        for tap in range(taps):
            for i in range(at + tap * step, at + tap * step + inputs):
                sums = fma(load(kernel, weight, lanes), splat(x[i], lanes), sums)
                weight += lanes
        store(y, to, sums)

    @njit
    def four(kernel, weight, x, at, row, step, taps, inputs, y, to, width):
        a = b = c = d = splat(0.0, lanes)
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
        a = b = c = d = e = f = g = h = splat(0.0, lanes)
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
            if _HAS_AVX512 and length - n >= 8:
                eight(kernel, weight, x, here, row, step, taps, inputs, y, there, width)
                n += 8
            elif length - n >= 4:
                four(kernel, weight, x, here, row, step, taps, inputs, y, there, width)
                n += 4
            else:
                one(kernel, weight, x, here, step, taps, inputs, y, there)
                n += 1

    return convolve


_convolve_32, _convolve_16 = _convolution(32), _convolution(16)


@njit
def _finish(film, slopes, residual, inputs, is_paired, x, dry, row, y, to, width, length):
    """Modulate the convolved rows of one item, apply the PReLU and add the residual path."""
    # Gains come first, then shifts; both stand still or have a row for each sample.
    shifts = len(film) // 2
    move = width if shifts > width else 0
    for n in range(length):
        for channel in range(0, width, 16):
            at, gain = to + n * width + channel, n * move + channel
            value = fma(load(y, at, 16), load(film, gain, 16), load(film, shifts + gain, 16))
            positive = positive_part(value)
            value = fma(load(slopes, channel, 16), value - positive, positive)
            if is_paired:
                value = fma(load(residual, channel, 16), load(x, dry + n * row + channel, 16), value)
            else:
                for i in range(inputs):
                    gains = load(residual, i * width + channel, 16)
                    value = fma(gains, splat(x[dry + n * row + i], 16), value)
            store(y, at, value)


@compiled(vectors)
def run_block(
    kernel, slopes, residual, taps, dilation, inputs, residual_start, is_paired, film, x, start, y, to, length
):
    """Run one block over the next samples of a stream.

    The first arguments, up to ``is_paired``, are the fields of :class:`PackedBlock`. Rows ``start`` and later of
    x (B, N, at least inputs) are the context and the inputs, rows ``to`` and following of y (B, M, width), which is not
    x, become the outputs, ``length`` of them; ``film`` (B, 2, 1 or length, width) holds gains and shifts. All arrays
    are contiguous float32.
    """
    batch, rows, row = x.shape
    rows_out, width = y.shape[1:]
    flat_x, flat_y, flat_residual = x.reshape(-1), y.reshape(-1), residual.reshape(-1)
    for b in range(batch):
        at, target, channel = (b * rows + start) * row, (b * rows_out + to) * width, 0
        while channel < width:
            weight, there = channel * taps * inputs, target + channel
            if _HAS_AVX512 and width - channel >= 32:
                _convolve_32(
                    kernel, weight, flat_x, at, row, dilation * row, taps, inputs, flat_y, there, width, length
                )
                channel += 32
            else:
                _convolve_16(
                    kernel, weight, flat_x, at, row, dilation * row, taps, inputs, flat_y, there, width, length
                )
                channel += 16
        dry = at + residual_start * row
        _finish(
            film[b].reshape(-1),
            slopes,
            flat_residual,
            inputs,
            is_paired,
            flat_x,
            dry,
            row,
            flat_y,
            target,
            width,
            length,
        )


@compiled(vectors)
def project(weight, bias, x, y):
    """Project rows x (B, T, width) to y (B, features, T); ``weight`` is (features, width), ``bias`` (features,)."""
    batch, length, width = x.shape
    rows, weights = x.reshape(-1), weight.reshape(-1)
    for b in range(batch):
        for n in range(length):
            at = (b * length + n) * width
            for feature in range(len(bias)):
                sums = splat(0.0, 16)
                for channel in range(0, width, 16):
                    column = load(weights, feature * width + channel, 16)
                    sums = fma(column, load(rows, at + channel, 16), sums)
                y[b, feature, n] = total(sums) + bias[feature]
