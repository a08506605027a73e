"""Base class of reconstruction losses."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from vocoders.core.config import Config

__all__ = ["Loss"]


class Loss(nn.Module, ABC):
    """A distance between generated and recorded audio.

    Args:
        sample_rate: in Hz.
        options: an instance of ``Options``.

    Attributes:
        Options: options in a recipe, in addition to the weight; the base has none.
    """

    Options: ClassVar[type[Config]] = Config

    def __init__(self, sample_rate: int, options: Config | None = None) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the distance (a scalar) of two waveforms (B, 1, T)."""
