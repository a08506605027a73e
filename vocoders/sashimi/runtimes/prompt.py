"""Parallel reading of a prompt, in bounded memory."""

import math
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vocoders.core.errors import ShapeError

if TYPE_CHECKING:
    from vocoders.sashimi.model import Sashimi
    from vocoders.sashimi.tiers import TierState

__all__ = ["map_state", "read_prompt", "state_tensors"]

# Codes to read at a time for a model without truncation length.
_BLOCK = 16384


@torch.inference_mode()
def read_prompt(
    model: "Sashimi", batch_size: int, prompt: Tensor | None = None, labels: Tensor | None = None
) -> "tuple[TierState, Tensor]":
    """Return the state before the next code to read, and that code for every item, int64 (B,).

    Args:
        model: a causal model.
        batch_size: B.
        prompt: int64 (L,) codes, or None; the code of silence, which starts a sequence, is not part of it.
        labels: int64 (B,), for a model with labels; as in :meth:`~vocoders.sashimi.model.Sashimi.forward`.

    Raises:
        ShapeError: for a prompt that is not a sequence of codes, or labels that do not fit the model.
    """
    device = model.head.weight.device
    if prompt is not None and (prompt.dim() != 1 or prompt.dtype != torch.int64 or len(prompt) == 0):
        raise ShapeError(f"a prompt {prompt.dtype} {tuple(prompt.shape)}; expected int64 (L,) with L >= 1")
    codes = torch.full((1,), model.quantiser.zero_code, dtype=torch.int64, device=device)
    if prompt is not None:
        codes = torch.cat([codes, prompt.to(device)])
    labels = model.check_labels(labels, batch_size)
    # Items with the same label have the same past, which is read once.
    if labels is None:
        distinct, positions = [None], torch.zeros(batch_size, dtype=torch.int64, device=device)
    else:
        distinct, positions = labels.unique(return_inverse=True)
        distinct = distinct.split(1)
    beginning = model.initial_state(1)
    states = [_read(model, codes, beginning, label) for label in distinct]
    columns = zip(*map(state_tensors, states), strict=True)
    state = map_state(states[0], lambda _: torch.cat(next(columns))[positions])
    return state, codes[-1:].repeat(batch_size)


def _read(model: "Sashimi", codes: Tensor, state: "TierState", label: Tensor | None) -> "TierState":
    """Return the state of one item before the last of ``codes``."""
    block = model.config.kernel_length or _BLOCK
    total = math.prod(model.config.pool)
    block = max(total, block // total * total)
    for start in range(0, len(codes) - 1, block):
        _, state = model.advance(codes[None, start : min(start + block, len(codes) - 1)], state, label)
    return state


def state_tensors(state: Any) -> list[Tensor]:
    """Return the tensors of a state that have a batch axis, in a fixed order."""
    if isinstance(state, tuple):
        return [tensor for part in state for tensor in state_tensors(part)]
    if is_dataclass(state):
        names = [field.name for field in fields(state) if field.name != "system"]
        return [tensor for name in names for tensor in state_tensors(getattr(state, name))]
    return [] if state is None else [state]


def map_state(state: Any, function: Any) -> Any:
    """Return a state with ``function`` applied to its tensors; recurrences are shared by all items and unchanged."""
    if isinstance(state, tuple):
        return tuple(map_state(part, function) for part in state)
    if is_dataclass(state) and not isinstance(state, type):
        names = [field.name for field in fields(state) if field.name != "system"]
        return replace(state, **{name: map_state(getattr(state, name), function) for name in names})
    return None if state is None else function(state)
