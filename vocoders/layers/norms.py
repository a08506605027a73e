"""Normalisation over channels with the parameter layout of the Wavehax papers.

Every layer works on (B, C, N) and on (B, C, H, N), where the last axis is time, with one gain and one offset per
channel.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["BatchNorm", "LayerNorm", "NormName", "make_norm"]

NormName = Literal["utterance", "frame", "batch"]
EPSILON = 1e-6


class LayerNorm(nn.Module):
    """Layer normalisation per utterance, or per frame.

    Per utterance, the mean and the (biased) variance are taken over all axes but the batch, time included: the output
    depends on the length of the input, and neither padding nor chunking is exact. Per frame, they are taken over all
    axes but batch and time, and streaming is exact.

    Shape:
        (B, C, ..., N) -> the same.
    """

    def __init__(self, channels: int, framewise: bool = False) -> None:
        super().__init__()
        self.framewise = framewise
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x``."""
        if not self.framewise and not torch.onnx.is_in_onnx_export():
            return F.group_norm(x, 1, self.gamma, self.beta, EPSILON)
        inner = tuple(range(1, x.dim() - 1))
        if self.framewise:
            variance, mean = torch.var_mean(x, dim=inner, correction=0, keepdim=True)
        else:  # Means of frames first: runtimes sum millions of numbers in single precision.
            mean = x.mean(inner, keepdim=True).mean(-1, keepdim=True)
            variance = (x - mean).square().mean(inner, keepdim=True).mean(-1, keepdim=True)
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return (x - mean) * torch.rsqrt(variance + EPSILON) * self.gamma.view(shape) + self.beta.view(shape)


class BatchNorm(nn.Module):
    """Batch normalisation whose running statistics keep the axes of the input.

    Args:
        channels: number of channels.
        spatial_axes: 1 for (B, C, N), 2 for (B, C, H, N); only the shape of the buffers depends on it.
        momentum: weight of the newest batch in the running statistics.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, spatial_axes: int = 2, momentum: float = 0.1) -> None:
        super().__init__()
        shape = (1, channels) + (1,) * spatial_axes
        self.momentum = momentum
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(shape))
        self.register_buffer("running_var", torch.ones(shape))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x``; in training update the running statistics (variance unbiased)."""
        if self.training:
            self.num_batches_tracked.add_(1)
        mean, var = self.running_mean.view(-1), self.running_var.view(-1)
        return F.batch_norm(x, mean, var, self.gamma, self.beta, self.training, self.momentum, EPSILON)


def make_norm(name: NormName, channels: int) -> nn.Module:
    """Make the two-dimensional normalisation layer called ``name``."""
    if name == "batch":
        return BatchNorm(channels)
    return LayerNorm(channels, framewise=name == "frame")
