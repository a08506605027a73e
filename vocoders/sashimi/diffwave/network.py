"""The noise estimator of DiffWave-SaShiMi."""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from vocoders.layers.linear import ChannelLinear
from vocoders.sashimi.blocks import DownPool, ScalarNorm, UpPool
from vocoders.sashimi.diffwave.blocks import DiffusionBlock, MelUpsampler, StepEmbedding
from vocoders.sashimi.diffwave.config import DiffwaveSashimiConfig
from vocoders.sashimi.tiers import Tiers

__all__ = ["NoiseEstimator"]


class NoiseEstimator(nn.Module):
    """Estimates the noise from noisy waveform, step and mel.

    Args:
        config: see :class:`DiffwaveSashimiConfig`.
    """

    def __init__(self, config: DiffwaveSashimiConfig) -> None:
        super().__init__()
        widths, tiers = config.widths, range(len(config.pool))
        self.input = weight_norm(ChannelLinear(1, config.channels))
        self.embedding = StepEmbedding()
        self.tiers = Tiers(
            down=[_blocks(config, tier) if config.unet else [] for tier in tiers],
            pools=[DownPool(widths[t], widths[t + 1], config.pool[t], normalised=True) for t in tiers],
            centre=_blocks(config, len(config.pool)),
            unpools=[UpPool(widths[t + 1], widths[t], config.pool[t], causal=False, normalised=True) for t in tiers],
            up=[_blocks(config, tier) for tier in tiers],
            skips="unet" if config.unet else "pool",
            centre_skip=True,
        )
        self.norm = ScalarNorm()
        self.hidden = weight_norm(ChannelLinear(config.channels, config.channels))
        self.output = ChannelLinear(config.channels, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, steps: Tensor, features: Tensor | None) -> Tensor:
        """Estimate the noise in ``x`` (B, 1, L) at ``steps`` (B,)."""
        y = self.tiers(F.relu(self.input(x)), self.embedding(steps), features)
        return self.output(F.relu(self.hidden(self.norm(y))))


def _blocks(config: DiffwaveSashimiConfig, tier: int) -> list[DiffusionBlock]:
    channels = config.widths[tier]
    blocks = []
    for _ in range(config.num_layers):
        mel = None
        if config.mel is not None:
            mel = MelUpsampler(config.mel.n_mels, channels, config.upsample_factors(tier))
        length = config.kernel_lengths[tier]
        blocks.append(DiffusionBlock(channels, config.feedforward, config.s4, length, config.limit_kernel, mel))
    return blocks
