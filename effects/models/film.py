"""Feature-wise linear modulation of a network by its knobs (Perez et al. 2018, arXiv 1709.07871)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["Condition", "FiLM", "FilmNorm"]

FilmNorm = Literal["none", "batch"]


class Condition(nn.Module):
    """Compute the condition of all modulations from the knobs, by linear layers with ReLU (also after the last one).

    Args:
        num_knobs: K; without knobs the condition is zero.
        channels: width of each layer.

    Shape:
        (B, K) -> (B, channels[-1], 1); (B, K, T) -> (B, channels[-1], T).
    """

    def __init__(self, num_knobs: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = channels[-1]
        sizes = [num_knobs, *channels] if num_knobs else []
        layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in zip(sizes, sizes[1:], strict=False)]
        self.layers = nn.Sequential(*(layer for pair in layers for layer in pair))

    def forward(self, knobs: Tensor) -> Tensor:
        """Return the condition."""
        if knobs.ndim == 2:
            knobs = knobs[..., None]
        if len(self.layers) == 0:
            return knobs.new_zeros(knobs.shape[0], self.out_channels, 1)
        return self.layers(knobs.transpose(1, 2)).transpose(1, 2)


class FiLM(nn.Module):
    """Scale and shift each channel by linear functions of the condition.

    Args:
        channels: C.
        condition_channels: width of the condition.
        norm: ``batch``: a batch norm without learned gains comes first, as in micro-TCN; ``none``: modulation alone,
            which is the identity if the condition's layer is zero.

    Shape:
        x (B, C, T), condition (B, condition_channels, T or 1) -> (B, C, T).
    """

    def __init__(self, channels: int, condition_channels: int, norm: FilmNorm = "none") -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels, affine=False) if norm == "batch" else None
        self.adaptor = nn.Linear(condition_channels, 2 * channels)
        if norm == "none":
            nn.init.ones_(self.adaptor.bias[:channels])
            nn.init.zeros_(self.adaptor.bias[channels:])

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Modulate ``x``."""
        gain, shift = self.parameters_at(condition)
        return (x if self.norm is None else self.norm(x)) * gain + shift

    def parameters_at(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return gain and shift (B, C, T or 1), applied after the norm."""
        gain, shift = self.adaptor(condition.transpose(1, 2)).transpose(1, 2).chunk(2, dim=1)
        return gain, shift

    def folded(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return gain and shift (B, C, T or 1) that include the norm with its running statistics."""
        gain, shift = self.parameters_at(condition)
        if (normalisation := self.normalisation(self.adaptor.weight.dtype)) is None:
            return gain, shift
        mean, scale = normalisation
        gain = gain * scale[:, None]
        return gain, shift - gain * mean[:, None]

    def normalisation(self, dtype: torch.dtype) -> tuple[Tensor, Tensor] | None:
        """Return what the norm subtracts, and by what it then multiplies, (C,) each; ``None`` without a norm."""
        if self.norm is None or self.norm.running_mean is None or self.norm.running_var is None:
            return None
        return self.norm.running_mean.to(dtype), torch.rsqrt(self.norm.running_var.to(dtype) + self.norm.eps)
