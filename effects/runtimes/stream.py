"""The interface of streams that compute a model's ``forward`` by other code."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor

from effects.models.model import EffectModel, State

__all__ = ["Stream"]

Model = TypeVar("Model", bound=EffectModel)


class Stream(ABC, Generic[Model]):
    """A runtime that computes a model's ``forward`` in inference.

    A model names the class in its attribute ``runtime``, and makes an instance when its first stream begins.

    Args:
        model: the model to compute.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @staticmethod
    def is_compiled(audio: Tensor) -> bool:
        """Return whether compiled code can process the audio."""
        return audio.dtype == torch.float32 and audio.device.type == "cpu"

    @abstractmethod
    def advance(self, audio: Tensor, knobs: Tensor, state: State) -> tuple[Tensor, State]:
        """Implement :meth:`~effects.models.model.EffectModel.stream`."""

    def compact(self, state: State) -> State:
        """Implement :meth:`~effects.models.model.EffectModel.compact`."""
        return state
