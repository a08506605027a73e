"""The weights of a Wavehax with centred kernels as the beginning of a causal one (ours, not published).

A causal kernel has the width of a centred one, but other taps: most of them lie in the past. Every tap keeps its lag.
Taps that lie further in the future than the new kernel reaches are added to its latest one, so that slow features pass
as before. Those on the spectrum of the prior are left out, since its phases turn from frame to frame.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vocoders.layers.time_context import TimeContext

if TYPE_CHECKING:
    from vocoders.wavehax.config import WavehaxConfig

__all__ = ["move_kernels"]


def move_kernels(weights: dict[str, Tensor], trained: "WavehaxConfig", wanted: "WavehaxConfig") -> dict[str, Tensor]:
    """Return the weights of a network with the look-ahead of ``trained`` for one with that of ``wanted``."""
    first, *blocks = zip(trained.time_contexts, wanted.time_contexts, strict=True)
    pairs = {"network.cond_proj.weight": first, "network.prior_proj.weight": first}
    pairs |= {f"network.blocks.{index}.dwconv.weight": pair for index, pair in enumerate(blocks)}
    moved = {
        name: _moved(weights[name], *pair, adds="prior" not in name) for name, pair in pairs.items() if name in weights
    }
    return weights | moved


def _moved(kernel: Tensor, old: TimeContext, new: TimeContext, adds: bool) -> Tensor:
    """Return a kernel (..., width) whose taps have their former lags."""
    result = torch.zeros_like(kernel)
    for tap in range(kernel.shape[-1]):
        lag = tap - old.before
        within = min(max(lag, -new.before), new.after)
        if adds or within == lag:
            result[..., new.before + within] += kernel[..., tap]
    return result
