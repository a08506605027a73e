"""Base class of discriminators."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from vocoders.core.config import Config

__all__ = ["Discriminator"]


class Discriminator(nn.Module, ABC):
    """Distinguishes recordings from generated audio.

    Args:
        options: an instance of ``Options``.

    Attributes:
        Options: options in a recipe; the base has none. The default of a field ``sample_rate`` is that
            of the generator.
    """

    Options: ClassVar[type[Config]] = Config

    def __init__(self, options: Config | None = None) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, audio: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return scores, and the feature maps that feature matching compares, of audio (B, 1, T)."""
