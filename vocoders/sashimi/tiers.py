"""Tiers, each with its own rate, connected by pools and skip connections: the structure of every SaShiMi network.

A tier processes its signal, passes a pooled signal to the tier below, and adds the result of that tier. The code is a
recursion over tiers, once for whole signals (``forward``) and once for the next samples of a signal (``advance``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.layers.containers import ModuleListOf
from vocoders.layers.s4 import S4State

if TYPE_CHECKING:
    from vocoders.sashimi.blocks import DownPool, UpPool

__all__ = ["SkipName", "TierState", "Tiers"]

SkipName = Literal["tier", "pool", "unet"]
BlockStates = tuple[S4State | None, ...]


@dataclass(frozen=True)
class TierState:
    """State of a tier and of all lower tiers.

    Attributes:
        down: states of the blocks before the pool (of all blocks in the lowest tier).
        up: states of the blocks after it.
        frame: (B, C, r) inputs of the pool that do not fill a frame yet.
        queue: (B, C, factor - r) unused outputs of the tier below.
        inner: state of the tier below; None in the lowest tier, as are ``frame`` and ``queue``.
    """

    down: BlockStates
    up: BlockStates = ()
    frame: Tensor | None = None
    queue: Tensor | None = None
    inner: "TierState | None" = None


class Tiers(nn.Module):
    """Blocks of all tiers, from the fastest (0) to the slowest (the centre).

    Args:
        down: blocks before the pool, for each tier but the lowest.
        pools: pools to the tier below.
        centre: blocks of the lowest tier.
        unpools: pools from the tier below.
        up: blocks after the unpools.
        skips: ``tier``: add the pool's input to the unpool's output, and that sum to the output of the last block;
            ``pool``: the first of the two alone; ``unet``: add the inputs of the pool and of all blocks before it, in
            reverse order, to the unpool's output and to the outputs of the blocks after it.
        centre_skip: add the lowest tier's input to its output.
    """

    def __init__(
        self,
        down: Sequence[Sequence[nn.Module]],
        pools: "Sequence[DownPool]",
        centre: Sequence[nn.Module],
        unpools: "Sequence[UpPool]",
        up: Sequence[Sequence[nn.Module]],
        skips: SkipName,
        centre_skip: bool,
    ) -> None:
        super().__init__()
        self.down: ModuleListOf[ModuleListOf[Any]] = ModuleListOf(ModuleListOf(blocks) for blocks in down)
        self.pools = ModuleListOf(pools)
        self.centre: ModuleListOf[Any] = ModuleListOf(centre)
        self.unpools = ModuleListOf(unpools)
        self.up: ModuleListOf[ModuleListOf[Any]] = ModuleListOf(ModuleListOf(blocks) for blocks in up)
        self.skips = skips
        self.centre_skip = centre_skip

    def forward(self, x: Tensor, *context: Tensor | None) -> Tensor:
        """Process whole signals.

        The length is padded with zeros to a multiple of the product of the pools; causal networks never read the
        padding.

        Args:
            x: (B, C, L).
            context: further arguments of every block.

        Returns:
            (B, C, L).
        """
        length = x.shape[-1]
        total = math.prod(pool.factor for pool in self.pools)
        return self._process(0, F.pad(x, (0, -length % total)), context)[..., :length]

    def _process(self, tier: int, x: Tensor, context: tuple[Tensor | None, ...]) -> Tensor:
        if tier == len(self.pools):
            y = x
            for block in self.centre:
                y = block(y, *context)
            return y + x if self.centre_skip else y
        kept = []
        for block in self.down[tier]:
            kept.append(x)
            x = block(x, *context)
        y = entry = x + self.unpools[tier](self._process(tier + 1, self.pools[tier](x), context))
        for block in self.up[tier]:
            y = block(y, *context)
            if self.skips == "unet":
                y = y + kept.pop()
        return y + entry if self.skips == "tier" else y

    def initial_state(self, batch_size: int) -> TierState:
        """Return the state before the first sample."""

        def states(blocks: "ModuleListOf[Any]") -> BlockStates:
            return tuple(block.initial_state(batch_size) for block in blocks)

        state = TierState(states(self.centre))
        for tier in reversed(range(len(self.pools))):
            weight, factor = self.pools[tier].linear.weight, self.pools[tier].factor
            channels = weight.shape[1] // factor
            frame, queue = (weight.new_zeros(batch_size, channels, length) for length in (0, factor))
            state = TierState(states(self.down[tier]), states(self.up[tier]), frame, queue, state)
        return state

    def advance(self, x: Tensor, state: TierState, *context: Tensor | None, tier: int = 0) -> tuple[Tensor, TierState]:
        """Process the next samples of causal signals from a state.

        Args:
            x: (B, C, L), L >= 1; one sample is processed by recurrence, more samples by convolution.
            state: state before ``x``.
            context: further arguments of every block.
            tier: tier of ``x`` and ``state``.

        Returns:
            (B, C, L) and the state after it.
        """
        if tier == len(self.pools):
            y, _, down = _advance_blocks(self.centre, x, state.down, context)
            return (y + x if self.centre_skip else y), TierState(down)
        # So it is above the lowest tier.
        assert state.frame is not None
        assert state.queue is not None
        assert state.inner is not None
        length, factor = x.shape[-1], self.pools[tier].factor
        x, kept, down = _advance_blocks(self.down[tier], x, state.down, context)
        waiting, queue, inner = torch.cat([state.frame, x], dim=-1), state.queue, state.inner
        whole = waiting.shape[-1] // factor * factor
        if whole:
            below, inner = self.advance(self.pools[tier](waiting[..., :whole]), inner, *context, tier=tier + 1)
            queue = torch.cat([queue, self.unpools[tier].unfold(below)], dim=-1)
        y = entry = x + queue[..., :length]
        up = []
        for block, block_state in zip(self.up[tier], state.up, strict=True):
            y, block_state = block.advance(y, block_state, *context)
            up.append(block_state)
            if self.skips == "unet":
                y = y + kept.pop()
        y = y + entry if self.skips == "tier" else y
        # Copies, because a slice would keep the whole signal in memory.
        frame, queue = waiting[..., whole:].clone(), queue[..., length:].clone()
        return y, TierState(down, tuple(up), frame, queue, inner)


def _advance_blocks(
    blocks: "ModuleListOf[Any]", x: Tensor, states: BlockStates, context: tuple[Tensor | None, ...]
) -> tuple[Tensor, list[Tensor], BlockStates]:
    """Return the output of the last block, the inputs of all of them, and their states."""
    inputs, after = [], []
    for block, state in zip(blocks, states, strict=True):
        inputs.append(x)
        x, state = block.advance(x, state, *context)
        after.append(state)
    return x, inputs, tuple(after)
