"""Parts of SaShiMi: norms over channels, residual blocks, and pools between tiers."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from vocoders.layers.linear import ChannelLinear
from vocoders.layers.s4 import S4Layer, S4State

__all__ = [
    "ChannelLayerNorm",
    "DownPool",
    "FeedForward",
    "NormName",
    "ResidualBlock",
    "ScalarNorm",
    "UpPool",
    "make_norm",
]

NormName = Literal["scalar", "layer"]


class ScalarNorm(nn.Module):
    """Normalise each time step over channels, with one gain and one offset for all of them and no epsilon.

    y = (s / deviation) (x - mean + m). A step with equal channels has deviation 0 and keeps its scale; the reference
    divides by zero there.

    Shape:
        (B, C, L) -> the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.zeros(1))
        self.s = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x``."""
        if torch.onnx.is_in_onnx_export():  # graphs have no functions with gradients of their own
            centred = x - x.mean(dim=1, keepdim=True)
            variance = centred.square().mean(dim=1, keepdim=True)
            return (centred + self.m) * self.s / torch.sqrt(torch.where(variance == 0, 1, variance))
        return _ScalarNormalise.apply(x, self.m.to(x.dtype), self.s.to(x.dtype))


class _ScalarNormalise(torch.autograd.Function):
    """(s / deviation) (x - mean + m) along the second axis; torch's own gradient takes three times as long."""

    @staticmethod
    def forward(ctx, x: Tensor, m: Tensor, s: Tensor) -> Tensor:
        mean = x.mean(dim=1, keepdim=True)
        centred = x - mean
        variance = centred.square().mean(dim=1, keepdim=True)
        rate = torch.rsqrt(torch.where(variance == 0, 1, variance))
        ctx.save_for_backward(x, mean, rate, m, s)
        return centred.add_(m).mul_(s * rate)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]  (torch's stub asks for *gradients)
        x, mean, rate, m, s = ctx.saved_tensors
        shifted = x - mean + m
        total = gradient.sum(dim=1, keepdim=True)
        product = (gradient * shifted).sum(dim=1, keepdim=True)
        to_m, to_s = (total * rate).sum().view(1) * s, (product * rate).sum().view(1)
        # gradient - its mean - normalised x * mean product
        channels = x.shape[1]
        correction = shifted.sub_(m).mul_(product * (rate.square() / channels)).add_(total / channels)
        return torch.sub(gradient, correction).mul_(s * rate), to_m, to_s


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation of each time step over channels: (B, C, L) -> the same."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``."""
        return super().forward(input.transpose(1, 2)).transpose(1, 2)


def make_norm(name: NormName, channels: int) -> ScalarNorm | ChannelLayerNorm:
    """Make the normalisation called ``name``."""
    return ScalarNorm() if name == "scalar" else ChannelLayerNorm(channels)


class FeedForward(nn.Module):
    """Position-wise network: linear to ``factor`` times the width, GELU, linear back. (B, C, L) -> the same."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.expand = ChannelLinear(channels, factor * channels)
        self.contract = ChannelLinear(factor * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the network."""
        return self.contract(F.gelu(self.expand(x)))


class ResidualBlock(nn.Module):
    """x + layer(norm(x)), where the layer is a state-space layer or a position-wise one.

    With labels, x + layer(norm(x) + offset of the label): the global conditioning of WaveNet (arXiv 1609.03499, section
    2.5), whose layers also add a vector for the condition to their input. The index after the last label, or no label,
    selects the mean of all offsets.

    Args:
        norm: normalisation over channels.
        layer: (B, C, L) -> the same.
        label_offsets: number of labels and number of channels; ``None`` without labels.
    """

    def __init__(
        self,
        norm: ScalarNorm | ChannelLayerNorm,
        layer: S4Layer | FeedForward,
        label_offsets: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.layer = layer
        self.label_offsets = None if label_offsets is None else nn.Parameter(torch.zeros(label_offsets))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Apply the block to (B, C, L); labels int64 (B,) where the block has them."""
        return x + self.layer(self._read(x, labels))

    def _read(self, x: Tensor, labels: Tensor | None) -> Tensor:
        normed = self.norm(x)
        if self.label_offsets is None:
            return normed
        offset = self.label_offsets.mean(dim=0) if labels is None else self.offsets_with_mean()[labels]
        return normed + offset[..., None]

    def offsets_with_mean(self) -> Tensor:
        """Return the offset of each label, and the mean of all: (labels + 1, C)."""
        assert self.label_offsets is not None, "a block without labels"
        return torch.cat([self.label_offsets, self.label_offsets.mean(dim=0, keepdim=True)])

    def initial_state(self, batch_size: int) -> S4State | None:
        """Return the state before the first sample, None for a layer without state."""
        return self.layer.initial_state(batch_size) if isinstance(self.layer, S4Layer) else None

    def advance(self, x: Tensor, state: S4State | None, labels: Tensor | None = None) -> tuple[Tensor, S4State | None]:
        """Process the next samples (B, C, L) from a state."""
        if state is None:
            return self(x, labels), None
        assert isinstance(self.layer, S4Layer), "a state of a layer without memory"
        y, state = self.layer.advance(self._read(x, labels), state)
        return x + y, state


class DownPool(nn.Module):
    """Fold ``factor`` time steps into channels and mix them: (B, C, L) -> (B, C', L / factor).

    The index of a folded channel is c * factor + position in the frame.
    """

    def __init__(self, in_channels: int, out_channels: int, factor: int, normalised: bool = False) -> None:
        super().__init__()
        self.factor = factor
        self.linear = ChannelLinear(in_channels * factor, out_channels)
        if normalised:
            weight_norm(self.linear)

    def forward(self, x: Tensor) -> Tensor:
        """Fold and mix."""
        return self.linear(x.unflatten(-1, (-1, self.factor)).transpose(2, 3).flatten(1, 2))


class UpPool(nn.Module):
    """Mix channels and unfold them into ``factor`` time steps: (B, C, L) -> (B, C', L * factor).

    If ``causal``, the frames are delayed by one, and the first is zero: a frame of a slower tier is known only when it
    is complete.
    """

    def __init__(
        self, in_channels: int, out_channels: int, factor: int, causal: bool = True, normalised: bool = False
    ) -> None:
        super().__init__()
        self.factor = factor
        self.causal = causal
        self.linear = ChannelLinear(in_channels, out_channels * factor)
        if normalised:
            weight_norm(self.linear)

    def forward(self, x: Tensor) -> Tensor:
        """Mix, unfold and delay."""
        y = self.unfold(x)
        return F.pad(y, (self.factor, -self.factor)) if self.causal else y

    def unfold(self, x: Tensor) -> Tensor:
        """Mix and unfold without delay."""
        return self.linear(x).unflatten(1, (-1, self.factor)).transpose(2, 3).flatten(2)
