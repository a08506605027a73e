"""What a stream of a family is that computes otherwise than by the model's ``forward``."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor

from effects.models.model import EffectModel, State

__all__ = ["Stream"]

Model = TypeVar("Model", bound=EffectModel)


class Stream(ABC, Generic[Model]):
    """Another way to compute what a model's ``forward`` gives in inference.

    A model names the class in its attribute ``runtime``, and makes one when its first stream begins.

    Args:
        model: whose numbers it gives.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @staticmethod
    def is_compiled(audio: Tensor) -> bool:
        """Return whether compiled code takes such audio."""
        return audio.dtype == torch.float32 and audio.device.type == "cpu"

    @abstractmethod
    def advance(self, audio: Tensor, knobs: Tensor, state: State) -> tuple[Tensor, State]:
        """Do what :meth:`~effects.models.model.EffectModel.stream` says."""

    def compact(self, state: State) -> State:
        """Do what :meth:`~effects.models.model.EffectModel.compact` says."""
        return state
