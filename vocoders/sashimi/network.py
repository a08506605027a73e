"""The SaShiMi network between an embedding and an output layer."""

from torch import Tensor, nn

from vocoders.layers.s4 import S4Layer
from vocoders.sashimi.blocks import DownPool, FeedForward, ResidualBlock, UpPool, make_norm
from vocoders.sashimi.config import SashimiConfig
from vocoders.sashimi.tiers import Tiers, TierState

__all__ = ["SashimiNetwork"]


class SashimiNetwork(nn.Module):
    """Tiers of state-space and position-wise blocks: (B, channels, L) -> the same.

    Args:
        config: see :class:`SashimiConfig`.
    """

    def __init__(self, config: SashimiConfig) -> None:
        super().__init__()
        widths, unet = config.widths, config.skips == "unet"
        tiers = range(len(config.pool))
        normalised = config.pool_weight_norm
        self.tiers = Tiers(
            down=[_blocks(config, tier) if unet else [] for tier in tiers],
            pools=[DownPool(widths[t], widths[t + 1], config.pool[t], normalised) for t in tiers],
            centre=_blocks(config, len(config.pool)),
            unpools=[UpPool(widths[t + 1], widths[t], config.pool[t], config.delayed_pools, normalised) for t in tiers],
            up=[_blocks(config, tier) for tier in tiers],
            skips=config.skips,
            centre_skip=config.centre_skip,
        )
        self.norm = make_norm(config.final_norm, config.channels)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Process whole signals of any length; labels int64 (B,) of a network that has them."""
        return self.norm(self.tiers(x, labels))

    def initial_state(self, batch_size: int) -> TierState:
        """Return the state before the first sample."""
        return self.tiers.initial_state(batch_size)

    def advance(self, x: Tensor, state: TierState, labels: Tensor | None = None) -> tuple[Tensor, TierState]:
        """Continue signals from a state."""
        x, state = self.tiers.advance(x, state, labels)
        return self.norm(x), state


def _blocks(config: SashimiConfig, tier: int) -> list[ResidualBlock]:
    channels, length = config.widths[tier], config.kernel_lengths[tier]
    offsets = (len(config.labels), channels) if config.labels else None
    blocks = []
    for _ in range(config.num_layers):
        for layer in (S4Layer(channels, config.s4, length), FeedForward(channels, config.feedforward)):
            blocks.append(ResidualBlock(make_norm(config.norm, channels), layer, offsets))
    return blocks
