"""HiFi-GAN V1 (arXiv 2010.05646) as a yardstick of speed: the published architecture, with random weights.

It is written from the paper: section 2.1, figure 1 and table 5 (appendix A.1).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["HOP_LENGTH", "N_MELS", "SAMPLE_RATE", "HifiGanV1"]

SAMPLE_RATE, HOP_LENGTH, N_MELS = 22050, 256, 80
_CHANNELS, _SLOPE = 512, 0.1
# Kernels of the transposed convolutions; each upsamples by half of its kernel and halves the channels.
_UPSAMPLING = (16, 16, 4, 4)
# Kernels of the residual blocks after each of them, whose outputs are averaged, and their dilations.
_KERNELS, _DILATIONS = (3, 7, 11), (1, 3, 5)


class HifiGanV1(nn.Module):
    """Generator: log-mel (B, 80, F) -> waveform (B, 1, F * 256)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(N_MELS, _CHANNELS, 7, padding=3)
        widths = [_CHANNELS // 2**stage for stage in range(len(_UPSAMPLING) + 1)]
        self.upsampling = nn.ModuleList(
            nn.ConvTranspose1d(before, after, kernel, kernel // 2, padding=kernel // 4)
            for before, after, kernel in zip(widths, widths[1:], _UPSAMPLING, strict=False)
        )
        self.fusion = nn.ModuleList(
            nn.ModuleList(_ResidualBlock(width, kernel) for kernel in _KERNELS) for width in widths[1:]
        )
        self.last = nn.Conv1d(widths[-1], 1, 7, padding=3)

    def forward(self, features: Tensor) -> Tensor:
        """Return the waveform."""
        x = self.first(features)
        for upsample, blocks in zip(self.upsampling, self.fusion, strict=True):
            x = upsample(F.leaky_relu(x, _SLOPE))
            x = sum(block(x) for block in blocks) / len(_KERNELS)
        return torch.tanh(self.last(F.leaky_relu(x, _SLOPE)))


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()

        def convolution(dilation: int) -> nn.Conv1d:
            return nn.Conv1d(channels, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation)

        self.pairs = nn.ModuleList(nn.ModuleList([convolution(d), convolution(1)]) for d in _DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in self.pairs:
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, _SLOPE)), _SLOPE))
        return x
