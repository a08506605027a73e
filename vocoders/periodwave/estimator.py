"""The velocity field of PeriodWave: one U-Net that looks at the waveform in rows of several periods.

A waveform folded into rows of q samples has q columns. All kernels run along the columns and never across them, so the
columns of a period are so many independent sequences, and plain one-dimensional convolutions over B * q of them do the
work of the published two-dimensional ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from vocoders.core.errors import ShapeError

__all__ = ["Estimator", "FlatEstimator", "FreeU", "PeriodUNet", "fold_rows", "unfold_rows"]


@dataclass(frozen=True)
class FreeU:
    """Factors in the up-sampling half of the U-Net (arXiv 2309.11497, without its Fourier filter).

    Attributes:
        backbone: on the up-sampled features.
        skip: on the skip connections.
    """

    backbone: float = 1.0
    skip: float = 1.0


class ResidualBlock(nn.Module):
    """Two convolutions of three taps, the first one dilated, around a residual connection: (R, C, N) -> the same."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = weight_norm(nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation))
        self.conv2 = weight_norm(nn.Conv1d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` plus the branch."""
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class DownStage(nn.Module):
    """Strided convolution, time, residual blocks: (R, C_in, N) -> (R, C, N / stride)."""

    def __init__(self, in_channels: int, channels: int, stride: int, width: int) -> None:
        super().__init__()
        kernel = 2 * stride + 1 if stride > 1 else 1
        self.activate = stride > 1
        self.resample = weight_norm(
            nn.Conv1d(in_channels, channels, kernel, stride, padding=kernel // 2, bias=False)
        )  # fmt: skip
        self.time = nn.Linear(width, channels)
        self.blocks = nn.Sequential(ResidualBlock(channels, 1), ResidualBlock(channels, 2))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Return the features of this stage; ``embedding`` (B, H), R = B * q."""
        x = self.resample(F.silu(x) if self.activate else x)
        return self.blocks(_add_to_rows(x, self.time(F.silu(embedding))[..., None]))


class MiddleStage(nn.Module):
    """Strided convolution, condition, residual blocks."""

    def __init__(self, in_channels: int, channels: int, stride: int, dilations: Sequence[int]) -> None:
        super().__init__()
        kernel = 2 * stride + 1
        self.resample = weight_norm(
            nn.Conv1d(in_channels, channels, kernel, stride, padding=kernel // 2, bias=False)
        )  # fmt: skip
        self.blocks = nn.Sequential(*[ResidualBlock(channels, dilation) for dilation in dilations])

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return the features of this stage; ``condition`` (B, H, N or more)."""
        x = self.resample(F.silu(x))
        return self.blocks(_add_to_rows(x, condition[..., : x.shape[-1]]))


class UpStage(nn.Module):
    """Transposed convolution, skip connection, time, residual blocks: (R, C_in, N) -> (R, C, N * stride)."""

    def __init__(self, in_channels: int, channels: int, stride: int, width: int) -> None:
        super().__init__()
        self.resample = weight_norm(
            nn.ConvTranspose1d(in_channels, channels, 2 * stride, stride, padding=stride // 2, bias=False)
        )
        self.time = nn.Linear(width, channels)
        self.blocks = nn.Sequential(ResidualBlock(channels, 1), ResidualBlock(channels, 2))

    def forward(self, x: Tensor, skip: Tensor, embedding: Tensor, freeu: FreeU) -> Tensor:
        """Return the features of this stage."""
        x = self._upsample(F.silu(x))
        x = freeu.backbone * x + freeu.skip * skip if freeu != FreeU() else x + skip
        return self.blocks(_add_to_rows(x, self.time(F.silu(embedding))[..., None]))

    def _upsample(self, x: Tensor) -> Tensor:
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
        channels: of each stage, from full rate down.
        strides: of each stage; the first is 1.
        dilations: of the residual blocks in the middle.

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
        self.downs = nn.ModuleList(DownStage(before, after, stride, width) for before, after, stride in sizes)
        self.middle = MiddleStage(channels[-1], width, self.MIDDLE_STRIDE, dilations)
        up_strides = [self.MIDDLE_STRIDE, *reversed(strides[1:])]
        up_sizes = zip([width, *reversed(channels)], reversed(channels), up_strides, strict=False)
        self.ups = nn.ModuleList(UpStage(before, after, stride, width) for before, after, stride in up_sizes)

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
        """Rows to either side on which an output row can depend."""
        rate, rows = 1, 0
        for stage in self.downs:
            rows += rate * (stage.resample.kernel_size[0] // 2)
            rate *= stage.resample.stride[0]
            rows += 2 * rate * _blocks_reach(stage.blocks)  # here and in the stage that mirrors it
        rows += rate * (self.middle.resample.kernel_size[0] // 2)
        rows += rate * self.MIDDLE_STRIDE * _blocks_reach(self.middle.blocks)
        # Transposed convolutions reach one and a half of their input's frames.
        return rows + sum(2 * self.length_multiple // 4**index for index in range(len(self.ups)))


class OutputBlock(nn.Module):
    """Residual blocks on the merged paths and the convolution to the velocity: (B, C, T) -> (B, 1, T)."""

    def __init__(self, channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*[ResidualBlock(channels, dilation) for dilation in dilations])
        self.conv = weight_norm(nn.Conv1d(channels, 1, 7, padding=3, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return the velocity."""
        return self.conv(F.silu(self.blocks(x)))


class TimePeriodEmbedding(nn.Module):
    """One vector for each pair of time and period: (B,) -> (B, periods, H)."""

    frequencies: Tensor

    def __init__(self, width: int, embedding_width: int, num_periods: int) -> None:
        super().__init__()
        count = embedding_width // 2
        decay = math.log(10_000) / (count - 1)
        self.register_buffer("frequencies", torch.exp(torch.arange(count) * -decay), persistent=False)
        self.periods = nn.Embedding(num_periods, embedding_width)
        nn.init.normal_(self.periods.weight, std=embedding_width**-0.5)
        # Published checkpoints expect this factor, although the table may have half the width.
        self.scale = math.sqrt(width)
        self.mlp = nn.Sequential(nn.Linear(2 * embedding_width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))

    def forward(self, t: Tensor) -> Tensor:
        """Return the embeddings of the times ``t``."""
        time = self.sinusoid(t)[:, None]
        periods = self.scale * self.periods.weight[None]
        count = periods.shape[1]
        return self.mlp(torch.cat([time.expand(-1, count, -1), periods.expand(len(t), -1, -1)], dim=-1))

    def sinusoid(self, t: Tensor) -> Tensor:
        """Return sines and cosines of the times ``t``, (B, embedding_width)."""
        phase = 1000 * t[:, None] * self.frequencies
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class Estimator(nn.Module):
    """Velocity at (x, t): the U-Net for each period, merged and projected.

    Args:
        in_channels: channels of the signal and of what is concatenated to it.
        width: H.
        embedding_width: width of the time and of the period embedding.
        periods: samples per row of each path.
        channels: of the stages of the U-Net.
        strides: of the stages of the U-Net.
        dilations: of the residual blocks in the middle and at the output.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        embedding_width: int,
        periods: Sequence[int],
        channels: Sequence[int],
        strides: Sequence[int],
        dilations: Sequence[int],
    ) -> None:
        super().__init__()
        self.periods = tuple(periods)
        self.embedding = TimePeriodEmbedding(width, embedding_width, len(periods))
        self.unet = PeriodUNet(in_channels, width, channels, strides, dilations)
        self.output = OutputBlock(channels[0], dilations)

    def forward(self, x: Tensor, condition: Sequence[Tensor], t: Tensor, freeu: FreeU = FreeU()) -> Tensor:
        """Return the velocity.

        Args:
            x: signal (B, in_channels, T).
            condition: what the condition encoder gives for each period.
            t: times in [0, 1], (B,) or without dimensions.
            freeu: see :class:`FreeU`.

        Returns:
            (B, 1, T).
        """
        embedding = self.embedding(t.expand(x.shape[0]))
        paths = (
            self.path(x, period, item, embedding[:, index], freeu)
            for index, (period, item) in enumerate(zip(self.periods, condition, strict=True))
        )
        merged = next(paths)
        for path in paths:
            merged = merged + path
        return self.output(merged / math.sqrt(len(self.periods)))

    def path(self, x: Tensor, period: int, condition: Tensor, embedding: Tensor, freeu: FreeU = FreeU()) -> Tensor:
        """Return the features (B, channels, T) of one period."""
        rows = fold_rows(x, period, self.unet.length_multiple)
        return unfold_rows(self.unet(rows, condition, embedding, freeu), period, x.shape[-1])

    @property
    def reach(self) -> int:
        """Samples to either side on which the velocity can depend."""
        own = _blocks_reach(self.output.blocks) + self.output.conv.kernel_size[0] // 2
        return self.unet.reach * max(self.periods) + own


class FlatEstimator(Estimator):
    """Velocity between white noise and a signal of unit power: the network corrects the best linear estimate (ours).

    Of two independent white signals, x = t * s + (1 - t) * n has the variance a^2 = t^2 + (1 - t)^2 * d^2, with d the
    deviation of the noise, and the best linear estimate of s - n is x * (t - (1 - t) * d^2) / a^2, with an error of
    deviation d / a. The network sees x / a and returns that error divided by its deviation, as in arXiv 2206.00364.

    Args:
        deviation: d.
        arguments: those of :class:`Estimator`.
    """

    def __init__(self, deviation: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.deviation = deviation
        with torch.no_grad():
            self.output.conv.parametrizations.weight.original0.mul_(0.1)

    def forward(self, x: Tensor, condition: Sequence[Tensor], t: Tensor, freeu: FreeU = FreeU()) -> Tensor:
        """Return the velocity, see :meth:`Estimator.forward`."""
        time = t.view(-1, 1, 1)
        noise_power = (1 - time).square() * self.deviation**2
        total = (time.square() + noise_power).sqrt()
        linear = (time - (1 - time) * self.deviation**2) / total.square()
        return linear * x + self.deviation / total * super().forward(x / total, condition, t, freeu)


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


def _blocks_reach(blocks: nn.Sequential) -> int:
    return sum(block.conv1.dilation[0] + 1 for block in blocks)
