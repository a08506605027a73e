"""ConvNeXt V2 blocks on sequences (Woo et al., arXiv 2301.00808), with global response normalisation over time."""

from collections.abc import Iterator
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.layers.convnext import DropPath

__all__ = ["ConvNeXtV2Block", "GlobalResponseNorm"]

# Frames whose expanded activations are in memory at once, in inference.
_CHUNK_FRAMES = 16_384


class GlobalResponseNorm(nn.Module):
    """Global response normalisation: channels compete by their energy over time (arXiv 2301.00808, algorithm 1).

    The statistics are taken over time, so every output frame depends on every input frame.

    Shape:
        (B, N, C) -> the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the recalibrated sequence."""
        return self.apply_gain(x, self.gain(x.square().sum(dim=1, keepdim=True)))

    def gain(self, energy: Tensor) -> Tensor:
        """Return the factor of each channel, (B, 1, C), for its energy summed over time, (B, 1, C)."""
        level = energy.sqrt()
        return 1 + self.gamma * (level / (level.mean(dim=-1, keepdim=True) + 1e-6))

    def apply_gain(self, x: Tensor, gain: Tensor) -> Tensor:
        """Return ``x`` with its channels scaled and shifted."""
        return x * gain + self.beta


class ConvNeXtV2Block(nn.Module):
    """Depthwise convolution, layer norm, pointwise expansion with GELU and response norm, residual.

    Without gradients, the expansion processes long sequences in chunks: the result is the same, and memory does not
    grow with the expanded width.

    Args:
        channels: C.
        expanded_channels: width between the pointwise layers.
        drop_prob: probability of dropping the branch in training.

    Shape:
        (B, C, N) -> the same.
    """

    def __init__(self, channels: int, expanded_channels: int, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, expanded_channels)
        self.grn = GlobalResponseNorm(expanded_channels)
        self.pwconv2 = nn.Linear(expanded_channels, channels)
        self.drop_path = DropPath(drop_prob)
        for layer in (self.dwconv, self.pwconv1, self.pwconv2):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` plus the branch."""
        y = self.norm(self.dwconv(x).transpose(1, 2))
        if torch.is_grad_enabled() or y.shape[1] <= _CHUNK_FRAMES:
            y = self.pwconv2(self.grn(self._expand(y)))
        else:
            y = self._branch_in_chunks(y)
        return x + self.drop_path(y.transpose(1, 2))

    def _expand(self, y: Tensor) -> Tensor:
        return F.gelu(self.pwconv1(y))

    def _branch_in_chunks(self, y: Tensor) -> Tensor:
        """Compute the expansion in chunks twice: first for the energies of the response norm, then for the output."""

        def expanded() -> Iterator[Tensor]:
            return (self._expand(part) for part in y.split(_CHUNK_FRAMES, dim=1))

        energy = reduce(torch.add, (part.square().sum(dim=1, keepdim=True) for part in expanded()))
        gain = self.grn.gain(energy)
        return torch.cat([self.pwconv2(self.grn.apply_gain(part, gain)) for part in expanded()], dim=1)
