"""Complex-valued layers on pairs of real tensors (real part, imaginary part).

Two quirks are kept for equality with published checkpoints: the biases of the two real convolutions of a complex one
act together, and the complex norms use the updated real part when they compute the imaginary part, so they do not
whiten exactly.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vocoders.layers.convnext import DropPath
from vocoders.layers.norms import EPSILON, NormName

__all__ = [
    "ComplexBatchNorm",
    "ComplexConv1d",
    "ComplexConv2d",
    "ComplexConvNeXtBlock2d",
    "ComplexLayerNorm",
    "initialize_semi_unitary",
    "make_complex_norm",
]

Pair = tuple[Tensor, Tensor]


class _ComplexConv(nn.Module):
    convolution: type[nn.Conv1d] | type[nn.Conv2d]

    def __init__(self, in_channels: int, out_channels: int, kernel_size, **options) -> None:
        super().__init__()
        options = {"padding_mode": "reflect", **options}
        self.real_conv = self.convolution(in_channels, out_channels, kernel_size, **options)
        self.imag_conv = self.convolution(in_channels, out_channels, kernel_size, **options)

    def forward(self, real: Tensor, imag: Tensor) -> Pair:
        """Convolve the pair: (r*a - i*b, r*b + i*a), biases included in r and i."""
        return (
            self.real_conv(real) - self.imag_conv(imag),
            self.real_conv(imag) + self.imag_conv(real),
        )


class ComplexConv1d(_ComplexConv):
    """Complex 1-D convolution with reflected borders; options as :class:`torch.nn.Conv1d`."""

    convolution = nn.Conv1d


class ComplexConv2d(_ComplexConv):
    """Complex 2-D convolution with reflected borders; options as :class:`torch.nn.Conv2d`."""

    convolution = nn.Conv2d


class _ComplexAffineNorm(nn.Module):
    """Shared part of the complex norms: decorrelation by a 2x2 covariance, then a symmetric 2x2 gain."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma_rr = nn.Parameter(torch.full((channels,), math.sqrt(0.5)))
        self.gamma_ii = nn.Parameter(torch.full((channels,), math.sqrt(0.5)))
        self.gamma_ri = nn.Parameter(torch.zeros(channels))
        self.beta_r = nn.Parameter(torch.zeros(channels))
        self.beta_i = nn.Parameter(torch.zeros(channels))

    def _whiten(self, a: Tensor, b: Tensor, rr: Tensor, ii: Tensor, ri: Tensor) -> Pair:
        s = torch.sqrt(rr * ii - ri**2)
        t = torch.sqrt(rr + ii + 2 * s)
        scale = 1 / (s * t)
        a = ((ii + s) * a - ri * b) * scale
        # The updated real part enters here, as in the published weights.
        b = ((rr + s) * b - ri * a) * scale
        shape = (1, -1) + (1,) * (a.dim() - 2)
        gain_rr, gain_ii, gain_ri = (g.view(shape) for g in (self.gamma_rr, self.gamma_ii, self.gamma_ri))
        a = gain_rr * a + gain_ri * b + self.beta_r.view(shape)
        b = gain_ri * a + gain_ii * b + self.beta_i.view(shape)
        return a, b


class ComplexLayerNorm(_ComplexAffineNorm):
    """Complex layer normalisation per utterance or per frame; (B, C, ..., N) pairs."""

    def __init__(self, channels: int, framewise: bool = False) -> None:
        super().__init__(channels)
        self.framewise = framewise

    def forward(self, real: Tensor, imag: Tensor) -> Pair:
        """Normalise the pair."""
        axes = tuple(range(1, real.dim() - (1 if self.framewise else 0)))
        a = real - real.mean(axes, keepdim=True)
        b = imag - imag.mean(axes, keepdim=True)
        rr = (a * a).mean(axes, keepdim=True) + EPSILON
        ii = (b * b).mean(axes, keepdim=True) + EPSILON
        ri = (a * b).mean(axes, keepdim=True) + EPSILON
        return self._whiten(a, b, rr, ii, ri)


class ComplexBatchNorm(_ComplexAffineNorm):
    """Complex batch normalisation; running statistics keep the axes of the input."""

    running_mean_r: Tensor
    running_mean_i: Tensor
    running_cov_rr: Tensor
    running_cov_ii: Tensor
    running_cov_ri: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, spatial_axes: int = 2, momentum: float = 0.1) -> None:
        super().__init__(channels)
        self.momentum = momentum
        shape = (1, channels) + (1,) * spatial_axes
        self.register_buffer("running_mean_r", torch.zeros(shape))
        self.register_buffer("running_mean_i", torch.zeros(shape))
        self.register_buffer("running_cov_rr", torch.full(shape, math.sqrt(0.5)))
        self.register_buffer("running_cov_ii", torch.full(shape, math.sqrt(0.5)))
        self.register_buffer("running_cov_ri", torch.zeros(shape))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.int64))

    def forward(self, real: Tensor, imag: Tensor) -> Pair:
        """Normalise the pair; in training update the running statistics."""
        if not self.training:
            a, b = real - self.running_mean_r, imag - self.running_mean_i
            covariance = (self.running_cov_rr, self.running_cov_ii, self.running_cov_ri)
            return self._whiten(a, b, *(value + EPSILON for value in covariance))
        axes = (0, *range(2, real.dim()))
        mean_r, mean_i = real.mean(axes, keepdim=True), imag.mean(axes, keepdim=True)
        a, b = real - mean_r, imag - mean_i
        rr = (a * a).mean(axes, keepdim=True) + EPSILON
        ii = (b * b).mean(axes, keepdim=True) + EPSILON
        ri = (a * b).mean(axes, keepdim=True) + EPSILON
        count = real.numel() / real.shape[1]
        self._track(mean_r, mean_i, *(value * count / (count - 1) for value in (rr, ii, ri)))
        return self._whiten(a, b, rr, ii, ri)

    @torch.no_grad()
    def _track(self, mean_r: Tensor, mean_i: Tensor, rr: Tensor, ii: Tensor, ri: Tensor) -> None:
        self.num_batches_tracked.add_(1)
        self.running_mean_r.lerp_(mean_r, self.momentum)
        self.running_mean_i.lerp_(mean_i, self.momentum)
        self.running_cov_rr.lerp_(rr, self.momentum)
        self.running_cov_ii.lerp_(ii, self.momentum)
        self.running_cov_ri.lerp_(ri, self.momentum)


def make_complex_norm(name: NormName, channels: int) -> nn.Module:
    """Make the two-dimensional complex normalisation layer called ``name``."""
    if name == "batch":
        return ComplexBatchNorm(channels)
    return ComplexLayerNorm(channels, framewise=name == "frame")


class ComplexConvNeXtBlock2d(nn.Module):
    """Complex counterpart of :class:`vocoders.layers.convnext.ConvNeXtBlock2d`; the layer scale is real.

    Stochastic depth drops the real or the imaginary part for the whole batch, as in the published code.
    """

    def __init__(
        self,
        channels: int,
        mult_channels: int,
        kernel_size: tuple[int, int],
        norm: NormName = "utterance",
        layer_scale: float | None = None,
        drop_prob: float = 0.0,
    ) -> None:
        super().__init__()
        padding = (kernel_size[0] // 2, kernel_size[1] // 2)
        self.dwconv = ComplexConv2d(channels, channels, kernel_size, padding=padding, groups=channels, bias=False)
        self.norm = make_complex_norm(norm, channels)
        self.pwconv1 = ComplexConv2d(channels, channels * mult_channels, 1)
        self.activation = nn.GELU()
        self.pwconv2 = ComplexConv2d(channels * mult_channels, channels, 1)
        self.gamma = None if layer_scale is None else nn.Parameter(torch.full((1, channels, 1, 1), layer_scale))
        self.drop_path = DropPath(drop_prob)

    def forward(self, real: Tensor, imag: Tensor) -> Pair:
        """Return the pair plus the branch."""
        a, b = self.pwconv1(*self.norm(*self.dwconv(real, imag)))
        branch = torch.stack(self.pwconv2(self.activation(a), self.activation(b)))
        if self.gamma is not None:
            branch = self.gamma * branch
        branch = self.drop_path(branch)
        return real + branch[0], imag + branch[1]


@torch.no_grad()
def initialize_semi_unitary(module: nn.Module) -> None:
    """Initialise every complex convolution below ``module`` with scaled semi-unitary matrices, one per kernel tap."""
    for layer in module.modules():
        if isinstance(layer, _ComplexConv):
            weight = _semi_unitary(layer.real_conv.weight.shape)
            layer.real_conv.weight.copy_(weight.real)
            layer.imag_conv.weight.copy_(weight.imag)


def _semi_unitary(shape: Sequence[int]) -> Tensor:
    out_channels, in_channels, *kernel = shape
    random = torch.complex(
        torch.rand(math.prod(kernel), in_channels, out_channels),
        torch.rand(math.prod(kernel), in_channels, out_channels),
    )
    left, _, right = torch.linalg.svd(random, full_matrices=False)
    return (left @ right * math.sqrt(2 / (out_channels + in_channels))).reshape(shape)
