"""Parts of DiffWave-SaShiMi: the embedding of steps, the mel upsampler and the residual block."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from vocoders.core.errors import ShapeError
from vocoders.layers.linear import ChannelLinear
from vocoders.layers.s4 import S4Config, S4Layer
from vocoders.sashimi.blocks import ScalarNorm

__all__ = ["EMBEDDING_CHANNELS", "DiffusionBlock", "MelUpsampler", "StepEmbedding", "embed_steps"]

# Sizes common to all published configurations.
SINUSOIDS = 128
EMBEDDING_CHANNELS = 512
LEAKY_SLOPE = 0.4


def embed_steps(steps: Tensor) -> Tensor:
    """Return sines and cosines of diffusion steps (B,), which may be fractional: (B, 128) of the same type."""
    half = SINUSOIDS // 2
    # The weights were trained with frequencies and exponents rounded to float32; the angle is exact, since a rounded
    # one would be wrong at large steps.
    exponent = torch.arange(half, dtype=torch.float32, device=steps.device) * (-4 * math.log(10) / (half - 1))
    frequencies = torch.exp(exponent.double()).float()
    angle = steps.double()[:, None] * frequencies.double()
    # The cosine as a sine, which is the same after rounding: ONNX Runtime had no cosine of float64 for long.
    return torch.cat([torch.sin(angle), torch.sin(angle + math.pi / 2)], dim=1).to(steps.dtype)


class StepEmbedding(nn.Module):
    """Embed the diffusion step (B,) as a vector (B, 512) for all blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(SINUSOIDS, EMBEDDING_CHANNELS)
        self.linear2 = nn.Linear(EMBEDDING_CHANNELS, EMBEDDING_CHANNELS)

    def forward(self, steps: Tensor) -> Tensor:
        """Embed ``steps``."""
        return F.silu(self.linear2(F.silu(self.linear1(embed_steps(steps.to(self.linear1.weight.dtype))))))


class MelUpsampler(nn.Module):
    """Upsample log-mels (B, n_mels, F) to (B, channels, length) at the rate of a tier."""

    def __init__(self, n_mels: int, channels: int, factors: Sequence[int]) -> None:
        super().__init__()
        self.factors = tuple(factors)
        self.convs = nn.ModuleList(
            weight_norm(nn.ConvTranspose2d(1, 1, (3, 2 * factor), stride=(1, factor), padding=(1, factor // 2)))
            for factor in factors
        )
        self.linear = weight_norm(ChannelLinear(n_mels, channels))

    def forward(self, features: Tensor, length: int) -> Tensor:
        """Upsample and cut to ``length`` samples.

        Raises:
            ShapeError: if the features are shorter.
        """
        frames, total = features.shape[-1], math.prod(self.factors)
        if frames * total < length:
            raise ShapeError(f"{frames} frames of features for {length} samples; expected one for each {total}")
        x = features[:, None]
        for conv in self.convs:
            x = F.leaky_relu(conv(x), LEAKY_SLOPE)
        return self.linear(x[:, 0, :, :length])


class DiffusionBlock(nn.Module):
    """Residual block: a state-space layer, conditioned on step and mel, then a position-wise network."""

    def __init__(
        self,
        channels: int,
        feedforward: int,
        s4: S4Config,
        kernel_length: int | None,
        limit_kernel: bool,
        mel: MelUpsampler | None,
    ) -> None:
        super().__init__()
        self.norm1 = ScalarNorm()
        self.step = nn.Linear(EMBEDDING_CHANNELS, channels)
        self.s4 = S4Layer(channels, s4, kernel_length, limit_kernel)
        self.mel = mel
        self.norm2 = ScalarNorm()
        self.expand = weight_norm(ChannelLinear(channels, feedforward * channels))
        self.contract = weight_norm(ChannelLinear(feedforward * channels, channels))

    def forward(self, x: Tensor, embedding: Tensor, features: Tensor | None) -> Tensor:
        """Apply the block.

        Args:
            x: (B, C, L) at the tier's rate.
            embedding: embedding of the step, (B, 512).
            features: log-mel (B, n_mels, F), or None.
        """
        y = self.s4(self.norm1(x) + self.step(embedding)[..., None])
        if self.mel is not None:
            y = y + self.mel(features, y.shape[-1])
        x = x + y
        return x + self.contract(F.gelu(self.expand(self.norm2(x))))
