"""The velocity field of PeriodWave: one U-Net on the waveform folded by several periods."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from vocoders.layers.containers import SequentialOf
from vocoders.periodwave.packing import faster_form, packed_paths
from vocoders.periodwave.unet import (
    PLAIN,
    FreeU,
    PeriodUNet,
    ResidualBlock,
    RowConv,
    blocks_reach,
    fold_rows,
    unfold_rows,
)

__all__ = ["Estimator", "FlatEstimator", "PairedEstimator", "VelocityOfTensors"]

# Samples of a batch below which one pass over all periods is faster on a CPU (measured; at 24,000 the loop takes two
# thirds of its time).
_PACKED_ON_CPU = 2048


class OutputBlock(nn.Module):
    """Residual blocks on the merged paths and the convolution to the velocity: (B, C, T) -> (B, 1, T)."""

    def __init__(self, channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.blocks = SequentialOf(*[ResidualBlock(channels, dilation) for dilation in dilations])
        self.conv = RowConv(channels, 1, 7, padding=3, bias=False)
        weight_norm(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        """Return the velocity."""
        return self.conv(F.silu(self.blocks(x)))


class TimePeriodEmbedding(nn.Module):
    """Embedding of time and period: (B,) -> (B, periods, H)."""

    frequencies: Tensor

    def __init__(self, width: int, embedding_width: int, num_periods: int) -> None:
        super().__init__()
        count = embedding_width // 2
        decay = math.log(10_000) / (count - 1)
        self.register_buffer("frequencies", torch.exp(torch.arange(count) * -decay), persistent=False)
        self.periods = nn.Embedding(num_periods, embedding_width)
        nn.init.normal_(self.periods.weight, std=embedding_width**-0.5)
        # Published checkpoints need this factor, although the table may have half the width.
        self.scale = math.sqrt(width)
        self.mlp = nn.Sequential(nn.Linear(2 * embedding_width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))

    def forward(self, t: Tensor) -> Tensor:
        """Return the embeddings of the times ``t``."""
        time = self.sinusoid(t)[:, None]
        periods = self.scale * self.periods.weight[None]
        count = periods.shape[1]
        return self.mlp(torch.cat([time.expand(-1, count, -1), periods.expand(t.shape[0], -1, -1)], dim=-1))

    def sinusoid(self, t: Tensor) -> Tensor:
        """Return sines and cosines of the times ``t``, (B, embedding_width)."""
        phase = 1000 * t[:, None] * self.frequencies
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class Estimator(nn.Module):
    """Velocity at (x, t): the U-Net for each period, merged and projected.

    The U-Net processes the periods in a loop, or packed into one pass, with equal results up to rounding.
    ``period_batching`` is ``loop``, ``packed``, or ``auto``, which measures both on devices other than the CPU.

    Args:
        in_channels: channels of the signal and of the signals concatenated to it.
        width: H.
        embedding_width: width of the time and of the period embedding.
        periods: samples per row of each path.
        channels: channels of each stage of the U-Net.
        strides: stride of each stage of the U-Net.
        dilations: dilations of the residual blocks in the middle and at the output.
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
        self.in_channels, self.periods = in_channels, tuple(periods)
        self.period_batching: Literal["auto", "loop", "packed"] = "auto"
        self._measured: dict[tuple[str, torch.dtype, int], str] = {}
        self.embedding = TimePeriodEmbedding(width, embedding_width, len(periods))
        self.unet = PeriodUNet(in_channels, width, channels, strides, dilations)
        self.output = OutputBlock(channels[0], dilations)

    def forward(self, x: Tensor, condition: Sequence[Tensor], t: Tensor, freeu: FreeU = PLAIN) -> Tensor:
        """Return the velocity.

        Args:
            x: signal (B, in_channels, T).
            condition: output of the condition encoder for each period.
            t: times in [0, 1], (B,) or zero-dimensional.
            freeu: see :class:`FreeU`.

        Returns:
            (B, 1, T).
        """
        return self.merge_periods(x, condition, self.embedding(t.expand(x.shape[0])), freeu)

    def merge_periods(self, x: Tensor, condition: Sequence[Tensor], embedding: Tensor, freeu: FreeU = PLAIN) -> Tensor:
        """Return the velocity, given the embedding (B, periods, H) of the time; see :meth:`forward`."""
        packed = self._form(x, condition, embedding) == "packed"
        paths = (self._packed_paths if packed else self._looped_paths)(x, condition, embedding, freeu)
        return self.output(sum(paths[1:], paths[0]) / math.sqrt(len(self.periods)))

    def _looped_paths(
        self, x: Tensor, condition: Sequence[Tensor], embedding: Tensor, freeu: FreeU = PLAIN
    ) -> list[Tensor]:
        return [
            self.path(x, period, item, embedding[:, index], freeu)
            for index, (period, item) in enumerate(zip(self.periods, condition, strict=True))
        ]

    def _packed_paths(
        self, x: Tensor, condition: Sequence[Tensor], embedding: Tensor, freeu: FreeU = PLAIN
    ) -> list[Tensor]:
        return packed_paths(self.unet, x, self.periods, condition, embedding, freeu)

    def _form(self, x: Tensor, condition: Sequence[Tensor], embedding: Tensor) -> str:
        """Return ``loop`` or ``packed``: as set by ``period_batching``, or the faster one for ``x``."""
        if self.period_batching != "auto":
            return self.period_batching
        if x.device.type == "cpu":
            return "packed" if x.shape[0] * x.shape[-1] < _PACKED_ON_CPU else "loop"
        if torch.is_grad_enabled():  # memory matters more, and the overhead of calls less
            return "loop"
        key = (str(x.device), x.dtype, (x.shape[0] * x.shape[-1]).bit_length())
        if key not in self._measured:
            arguments = (x, condition, embedding)
            forms = {
                "loop": lambda: self._looped_paths(*arguments),
                "packed": lambda: self._packed_paths(*arguments),
            }
            self._measured[key] = faster_form(forms, x.device)
        return self._measured[key]

    def path(self, x: Tensor, period: int, condition: Tensor, embedding: Tensor, freeu: FreeU = PLAIN) -> Tensor:
        """Return the features (B, channels, T) of one period."""
        rows = fold_rows(x, period, self.unet.length_multiple)
        return unfold_rows(self.unet(rows, condition, embedding, freeu), period, x.shape[-1])

    def _scale_output(self, factor: float) -> None:
        """Scale the last layer, at initialisation."""
        parametrizations: Any = self.output.conv.parametrizations
        with torch.no_grad():
            parametrizations.weight.original0.mul_(factor)

    @cached_property
    def of_tensors(self) -> "VelocityOfTensors":
        """The estimator as runtimes compute it."""
        return VelocityOfTensors(self)

    @property
    def reach(self) -> int:
        """Number of samples to either side on which the velocity can depend."""
        own = blocks_reach(self.output.blocks) + self.output.conv.kernel_size[0] // 2
        return self.unet.reach * max(self.periods) + own


class FlatEstimator(Estimator):
    """Velocity between white noise and a signal of unit power: the network corrects the best linear estimate (ours).

    For independent white signals s and n, x = t * s + (1 - t) * n has the variance a^2 = t^2 + (1 - t)^2 * d^2, where d
    is the deviation of the noise. The best linear estimate of s - n is x * (t - (1 - t) * d^2) / a^2, with an error of
    deviation d / a. The network takes x / a and returns that error divided by its deviation, as in arXiv 2206.00364.

    Args:
        deviation: d.
        arguments: those of :class:`Estimator`.
    """

    def __init__(self, deviation: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.deviation = deviation
        self._scale_output(0.1)

    def forward(self, x: Tensor, condition: Sequence[Tensor], t: Tensor, freeu: FreeU = PLAIN) -> Tensor:
        """Return the velocity, see :meth:`Estimator.forward`."""
        time = t.view(-1, 1, 1)
        noise_power = (1 - time).square() * self.deviation**2
        total = (time.square() + noise_power).sqrt()
        linear = (time - (1 - time) * self.deviation**2) / total.square()
        return linear * x + self.deviation / total * super().forward(x / total, condition, t, freeu)


class PairedEstimator(Estimator):
    """Velocity between two signals that nearly agree: an untrained network returns nearly nothing (ours).

    Args:
        arguments: those of :class:`Estimator`.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._scale_output(0.1)


class VelocityOfTensors(nn.Module):
    """An estimator as a function of tensors alone, which is what runtimes compute.

    Args:
        estimator: the network.
        freeu: see :class:`FreeU`.
        lower: bands below that of ``x``: then the first of the conditions is these.
    """

    def __init__(self, estimator: Estimator, freeu: FreeU = PLAIN, lower: int = 0) -> None:
        super().__init__()
        self.estimator, self.freeu, self.lower = estimator, freeu, lower

    def forward(self, x: Tensor, t: Tensor, *condition: Tensor) -> Tensor:
        """Return the velocity, see :meth:`Estimator.forward`."""
        if self.lower:
            x, condition = torch.cat([x, condition[0]], dim=1), condition[1:]
        return self.estimator(x, condition, t, self.freeu)
