"""The U-Net of PeriodWave along the columns of a folded waveform.

A waveform folded into rows of q samples has q columns. All kernels run along the columns, never across them. The
columns of a period are therefore independent sequences, and one-dimensional convolutions over B * q sequences replace
the published two-dimensional ones.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from vocoders.core.errors import ShapeError
from vocoders.layers.containers import ModuleListOf, SequentialOf

__all__ = ["PLAIN", "FreeU", "PeriodUNet", "ResidualBlock", "blocks_reach", "fold_rows", "unfold_rows"]


@dataclass(frozen=True)
class FreeU:
    """Factors in the up-sampling half of the U-Net (arXiv 2309.11497, without its Fourier filter).

    Attributes:
        backbone: factor on the up-sampled features.
        skip: factor on the skip connections.
    """

    backbone: float = 1.0
    skip: float = 1.0


PLAIN = FreeU()


class RowConv(nn.Conv1d):
    """Convolution along rows, with channels innermost in memory on a CPU, where it is up to five times as fast.

    Element-wise layers preserve the memory layout: (R, C, N) in, (R, C, N) out.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of ``input``."""
        if input.device.type != "cpu":
            return super().forward(input)
        x = input[:, :, None].contiguous(memory_format=torch.channels_last)
        assert not isinstance(self.padding, str), "padding is a number of samples"
        padding, dilation = (0, self.padding[0]), (1, self.dilation[0])
        return F.conv2d(x, self.weight[:, :, None], self.bias, (1, self.stride[0]), padding, dilation).squeeze(2)


class RowConvTranspose(nn.ConvTranspose1d):
    """Transposed :class:`RowConv`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return the transposed convolution of ``input``."""
        if input.device.type != "cpu" or output_size is not None:
            return super().forward(input, output_size)
        x = input[:, :, None].contiguous(memory_format=torch.channels_last)
        assert not isinstance(self.padding, str), "padding is a number of samples"
        padding = (0, self.padding[0])
        return F.conv_transpose2d(x, self.weight[:, :, None], self.bias, (1, self.stride[0]), padding).squeeze(2)


class ResidualBlock(nn.Module):
    """Two convolutions of three taps, the first one dilated, around a residual connection: (R, C, N) -> the same."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = RowConv(channels, channels, 3, padding=dilation, dilation=dilation)
        self.conv2 = RowConv(channels, channels, 3, padding=1)
        weight_norm(self.conv1)
        weight_norm(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` plus the branch."""
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class DownStage(nn.Module):
    """Strided convolution, time, residual blocks: (R, C_in, N) -> (R, C, N / stride)."""

    def __init__(self, in_channels: int, channels: int, stride: int, width: int) -> None:
        super().__init__()
        kernel = 2 * stride + 1 if stride > 1 else 1
        self.activate = stride > 1
        self.resample = RowConv(in_channels, channels, kernel, stride, padding=kernel // 2, bias=False)
        weight_norm(self.resample)
        self.time = nn.Linear(width, channels)
        self.blocks = SequentialOf(ResidualBlock(channels, 1), ResidualBlock(channels, 2))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Return the features of this stage; ``embedding`` (B, H), R = B * q."""
        x = self.resample(F.silu(x) if self.activate else x)
        return self.blocks(_add_to_rows(x, self.time(F.silu(embedding))[..., None]))


class MiddleStage(nn.Module):
    """Strided convolution, condition, residual blocks."""

    def __init__(self, in_channels: int, channels: int, stride: int, dilations: Sequence[int]) -> None:
        super().__init__()
        kernel = 2 * stride + 1
        self.resample = RowConv(in_channels, channels, kernel, stride, padding=kernel // 2, bias=False)
        weight_norm(self.resample)
        self.blocks = SequentialOf(*[ResidualBlock(channels, dilation) for dilation in dilations])

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return the features of this stage; ``condition`` (B, H, N or more)."""
        x = self.resample(F.silu(x))
        return self.blocks(_add_to_rows(x, condition[..., : x.shape[-1]]))


class UpStage(nn.Module):
    """Transposed convolution, skip connection, time, residual blocks: (R, C_in, N) -> (R, C, N * stride)."""

    def __init__(self, in_channels: int, channels: int, stride: int, width: int) -> None:
        super().__init__()
        self.resample = RowConvTranspose(in_channels, channels, 2 * stride, stride, padding=stride // 2, bias=False)
        weight_norm(self.resample)
        self.time = nn.Linear(width, channels)
        self.blocks = SequentialOf(ResidualBlock(channels, 1), ResidualBlock(channels, 2))

    def forward(self, x: Tensor, skip: Tensor, embedding: Tensor, freeu: FreeU) -> Tensor:
        """Return the features of this stage."""
        x = self.upsample(F.silu(x))
        x = freeu.backbone * x + freeu.skip * skip if freeu != PLAIN else x + skip
        return self.blocks(_add_to_rows(x, self.time(F.silu(embedding))[..., None]))

    def upsample(self, x: Tensor) -> Tensor:
        """Return the transposed convolution of ``x``."""
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return self.resample(x)
        # The bfloat16 gradient of narrow transposed convolutions is wrong on CPUs with AMX (torch 2.11, oneDNN).
        with torch.autocast("cpu", enabled=False):
            return self.resample(x.float())


class PeriodUNet(nn.Module):
    """U-Net along the columns of a folded waveform, with one set of weights for every period.

    Args:
        in_channels: channels of the signal.
        width: H, channels in the middle and of the embeddings.
        channels: channels of each stage, from full rate down.
        strides: stride of each stage; the first is 1.
        dilations: dilations of the residual blocks in the middle.

    Shape:
        (R, in_channels, N), N a multiple of ``length_multiple`` -> (R, channels[0], N), R = B * q.
    """

    MIDDLE_STRIDE = 4

    def __init__(
        self,
        in_channels: int,
        width: int,
        channels: Sequence[int],
        strides: Sequence[int],
        dilations: Sequence[int],
    ) -> None:
        super().__init__()
        self.length_multiple = math.prod(strides) * self.MIDDLE_STRIDE
        sizes = list(zip([in_channels, *channels], channels, strides, strict=False))
        self.downs = ModuleListOf(DownStage(before, after, stride, width) for before, after, stride in sizes)
        self.middle = MiddleStage(channels[-1], width, self.MIDDLE_STRIDE, dilations)
        up_strides = [self.MIDDLE_STRIDE, *reversed(strides[1:])]
        up_sizes = zip([width, *reversed(channels)], reversed(channels), up_strides, strict=False)
        self.ups = ModuleListOf(UpStage(before, after, stride, width) for before, after, stride in up_sizes)

    def forward(self, x: Tensor, condition: Tensor, embedding: Tensor, freeu: FreeU) -> Tensor:
        """Return features at full rate; ``condition`` (B, H, N / length_multiple or more), ``embedding`` (B, H)."""
        skips = []
        for stage in self.downs:
            x = stage(x, embedding)
            skips.append(x)
        x = self.middle(x, condition)
        for stage in self.ups:
            x = stage(x, skips.pop(), embedding, freeu)
        return x

    @property
    def reach(self) -> int:
        """Number of rows to either side on which an output row can depend."""
        rate, rows = 1, 0
        for stage in self.downs:
            rows += rate * (stage.resample.kernel_size[0] // 2)
            rate *= stage.resample.stride[0]
            rows += 2 * rate * blocks_reach(stage.blocks)  # here and in the mirrored stage
        rows += rate * (self.middle.resample.kernel_size[0] // 2)
        rows += rate * self.MIDDLE_STRIDE * blocks_reach(self.middle.blocks)
        # Transposed convolutions reach one and a half frames of their input.
        return rows + sum(2 * self.length_multiple // 4**index for index in range(len(self.ups)))


def fold_rows(x: Tensor, period: int, multiple: int) -> Tensor:
    """Fold (B, C, T) into columns (B * period, C, N) with N a multiple of ``multiple``; the end is reflected.

    Raises:
        ShapeError: if the signal is too short to be reflected.
    """
    batch, channels, length = x.shape
    padding = -length % (multiple * period)
    if padding >= length:
        raise ShapeError(f"{length} samples are too short for period {period}; expected more than {padding}")
    if padding:
        x = F.pad(x, (0, padding), mode="reflect")
    return x.view(batch, channels, -1, period).permute(0, 3, 1, 2).reshape(batch * period, channels, -1)


def unfold_rows(rows: Tensor, period: int, length: int) -> Tensor:
    """Return (B, C, length) of columns (B * period, C, N): the inverse of :func:`fold_rows`."""
    signal = rows.unflatten(0, (-1, period)).permute(0, 2, 3, 1).flatten(2)
    return signal[..., :length]


def _add_to_rows(rows: Tensor, x: Tensor) -> Tensor:
    """Add ``x`` (B, C, 1 or N) to all columns (B * q, C, N) of its item."""
    if rows.shape[0] == x.shape[0]:
        return rows + x
    return (rows.unflatten(0, (x.shape[0], -1)) + x[:, None]).flatten(0, 1)


def blocks_reach(blocks: Iterable[ResidualBlock]) -> int:
    """Return the number of samples to either side on which residual blocks can depend."""
    return sum(block.conv1.dilation[0] + 1 for block in blocks)
