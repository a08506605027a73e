"""Copies of models whose weights are plain numbers, as graphs and compiled code take them."""

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from vocoders.core.pretrained import PretrainedModel

__all__ = ["plain_copy"]

ModelType = TypeVar("ModelType", bound=PretrainedModel)


def plain_copy(model: ModelType) -> ModelType:
    """Return a copy on the CPU, in evaluation mode, whose normalised weights are computed once for all."""
    assert isinstance(model, nn.Module), "models are networks"
    # A new model: copies of normalised layers share a class, and changing one would change the other.
    with torch.random.fork_rng(devices=[]):
        made = type(model)(model.config)
    made.load_state_dict(model.state_dict())
    for part in made.modules():
        if parametrize.is_parametrized(part):
            known: Any = part.parametrizations
            for name in list(known):
                # Within parametrize.cached(), reading the attribute may give that of a former module at this address.
                value: Tensor = known[name]()
                parametrize.remove_parametrizations(part, name)
                setattr(part, name, nn.Parameter(value.detach()))
    return made.eval()
