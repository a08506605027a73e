"""Multiply-accumulates of one second of audio, by PyTorch's own counter."""

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from recipes.benchmark.contender import Contender
from vocoders.interface import System

__all__ = ["NOT_COUNTED", "count_macs", "counted"]

NOT_COUNTED = (
    "MACs by torch.utils.flop_counter: matrix products and convolutions; FFTs, norms, activations, recurrences written "
    "as products of elements and resampling by indices are not in them, and a complex product counts as one"
)


def count_macs(system: Contender) -> float | None:
    """Return the multiply-accumulates for one second of audio; ``None`` if the counter finds no operation.

    The counter counts two operations for each.
    """
    inputs, seconds = system.counting(1.0)
    total = counted(system.network, lambda: system.run(inputs))
    return total / seconds if total else None


def counted(network: nn.Module | None, function: Any) -> float:
    """Return the multiply-accumulates of a call."""
    with _in_torch(network), _without_gradients(network), _visible(network), FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops() / 2


@contextmanager
def _in_torch(network: nn.Module | None) -> Iterator[None]:
    """Let PyTorch compute a model, whose operations the counter sees."""
    if not isinstance(network, System):
        yield
        return
    runtime, network.runtime = network.runtime, None
    try:
        yield
    finally:
        network.runtime = runtime


@contextmanager
def _without_gradients(network: nn.Module | None) -> Iterator[None]:
    """Freeze the parameters: the counter follows modules by gradient hooks, which inference mode does not allow."""
    frozen = [] if network is None else [p for p in network.parameters() if p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def _visible(network: nn.Module | None) -> AbstractContextManager[Any]:
    """Compute recurrent layers by matrix products, which the counter knows, instead of one library call."""
    if network is not None and any(isinstance(module, nn.RNNBase) for module in network.modules()):
        return _unfused()
    return nullcontext()


@contextmanager
def _unfused() -> Iterator[None]:
    with warnings.catch_warnings():
        # Of a graphics chip that has no part in this.
        warnings.filterwarnings("ignore", message="TF32 acceleration")
        with torch.backends.mkldnn.flags(enabled=False):
            yield
