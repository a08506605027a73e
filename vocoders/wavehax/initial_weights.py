"""The weights of one Wavehax as the beginning of another (ours, not published).

A centred network as the beginning of a causal one: the kernels have the same width, but other taps, most of them in
the past. Every tap keeps its lag. Taps that lie further in the future than the new kernel reaches are added to its
latest one, so that slow features pass as before. Those on the spectrum of the prior are left out, since its phases turn
from frame to frame.

A network without a refined start as the beginning of one with it, or the other way round: all blocks stay. The last
layer corrected something else, so it is zero: training begins at the start, or at a plain source-filter vocoder.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vocoders.layers.time_context import TimeContext

if TYPE_CHECKING:
    from vocoders.wavehax.config import WavehaxConfig

__all__ = ["move_kernels", "move_start"]


def move_kernels(weights: dict[str, Tensor], trained: "WavehaxConfig", wanted: "WavehaxConfig") -> dict[str, Tensor]:
    """Return the weights of a network with the look-ahead of ``trained`` for one with that of ``wanted``."""
    first, *blocks = zip(trained.time_contexts, wanted.time_contexts, strict=True)
    pairs = {"network.cond_proj.weight": first, "network.prior_proj.weight": first}
    pairs |= {f"network.blocks.{index}.dwconv.weight": pair for index, pair in enumerate(blocks)}
    moved = {
        name: _moved(weights[name], *pair, adds="prior" not in name) for name, pair in pairs.items() if name in weights
    }
    return weights | moved


def move_start(weights: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights for a network with a refined start from those of one without it, or the other way round.

    Args:
        weights: of the trained network.
        own: of the untrained one.
    """
    entry, ending = "network.input_proj.weight", ("output_proj.weight", "output_proj.bias")
    moved = {name: weights.get(name, weight) for name, weight in own.items()}
    moved |= {name: torch.zeros_like(weight) for name, weight in own.items() if name.endswith(ending)}
    planes = own[entry].shape[1] - weights[entry].shape[1]
    return moved | {entry: torch.nn.functional.pad(weights[entry], (0, 0, 0, 0, 0, planes))}


def _moved(kernel: Tensor, old: TimeContext, new: TimeContext, adds: bool) -> Tensor:
    """Return a kernel (..., width) whose taps have their former lags."""
    result = torch.zeros_like(kernel)
    for tap in range(kernel.shape[-1]):
        lag = tap - old.before
        within = min(max(lag, -new.before), new.after)
        if adds or within == lag:
            result[..., new.before + within] += kernel[..., tap]
    return result
