"""ConvNeXt blocks on spectrograms (axes: batch, channel, frequency, time)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.layers.norms import NormName, make_norm
from vocoders.layers.time_context import TimeContext

__all__ = ["ConvNeXtBlock2d", "DropPath", "channels_last", "initialize_weights"]


class DropPath(nn.Module):
    """Stochastic depth: in training, drop a residual branch for whole items of the first axis.

    A kept branch is divided by the probability of being kept.
    """

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with some items of the first axis zeroed."""
        if not self.training or self.drop_prob == 0.0:
            return x
        return x * self.draw_mask(x) / (1 - self.drop_prob)

    def draw_mask(self, x: Tensor) -> Tensor:
        """Draw ones and zeros, one per item of the first axis."""
        return x.new_empty((x.shape[0],) + (1,) * (x.dim() - 1)).bernoulli_(1 - self.drop_prob)


class ConvNeXtBlock2d(nn.Module):
    """Depthwise convolution, norm, pointwise expansion with GELU, layer scale, residual.

    Args:
        channels: C.
        mult_channels: expansion factor of the pointwise pair.
        kernel_size: odd sizes (frequency, time) of the depthwise kernel; the borders in frequency are reflected.
        norm: normalisation over channels and time, see :mod:`vocoders.layers.norms`.
        layer_scale: initial value of the learned gain of the branch; ``None``: no gain.
        drop_prob: probability of dropping the branch in training.
        context: frames under the kernel; ``None``: it is centred, and borders are reflected.

    Shape:
        (B, C, F, N) -> the same. F (and N, with reflected borders) must exceed half the kernel size.
    """

    def __init__(
        self,
        channels: int,
        mult_channels: int,
        kernel_size: tuple[int, int],
        norm: NormName = "utterance",
        layer_scale: float | None = None,
        drop_prob: float = 0.0,
        context: TimeContext | None = None,
    ) -> None:
        super().__init__()
        self.context = context or TimeContext(kernel_size[1] // 2, kernel_size[1] // 2)
        self.dwconv = nn.Conv2d(channels, channels, kernel_size, groups=channels, bias=False)
        self.norm = make_norm(norm, channels)
        self.pwconv1 = nn.Conv2d(channels, channels * mult_channels, 1)
        self.activation = nn.GELU()
        self.pwconv2 = nn.Conv2d(channels * mult_channels, channels, 1)
        self.gamma = None if layer_scale is None else nn.Parameter(torch.full((1, channels, 1, 1), layer_scale))
        self.drop_path = DropPath(drop_prob)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` plus the branch."""
        return self._add_branch(x, self.context.pad(x, self._bins))

    def valid(self, x: Tensor) -> Tensor:
        """Return the frames of ``x`` (B, C, F, before + N + after) whose context is complete: (B, C, F, N)."""
        bins = self._bins
        return self._add_branch(self.context.crop(x), F.pad(x, (0, 0, bins, bins), "reflect"))

    @property
    def _bins(self) -> int:
        return self.dwconv.kernel_size[0] // 2

    def _add_branch(self, x: Tensor, padded: Tensor) -> Tensor:
        y = self.norm(self.dwconv(padded))
        y = self.pwconv2(self.activation(self.pwconv1(y)))
        if self.gamma is not None:
            y = self.gamma * y
        return x + self.drop_path(y)


def initialize_weights(module: nn.Module) -> None:
    """Initialise every convolution below ``module``: weights normal with std 0.02, biases zero."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d)):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def channels_last(x: Tensor) -> Tensor:
    """Move the channels of (B, C, F, N) innermost in memory, for twice as fast depthwise convolutions on a CPU."""
    return x.contiguous(memory_format=torch.channels_last)
