"""Steps that are repeated in place, as a GPU replays recorded ones."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from vocoders.sashimi.runtimes.prompt import map_state, state_tensors


@pytest.fixture(scope="session")
def record_in_place() -> Callable:
    """Return a recorder: of a step it gives the outputs, and a function that writes the same places again."""
    return _record_in_place


def _record_in_place(function: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
    logits, state = function()
    kept = logits.clone(), map_state(state, torch.clone)

    def replay() -> None:
        again, after = function()
        kept[0].copy_(again)
        for old, new in zip(state_tensors(kept[1]), state_tensors(after), strict=True):
            old.copy_(new)

    return kept, replay
