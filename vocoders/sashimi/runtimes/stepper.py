"""The interface of steppers, which advance an autoregressive model code by code, many items at a time."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vocoders.core.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from vocoders.sashimi.model import Sashimi

__all__ = ["Stepper"]


class Stepper(ABC):
    """A batch of items, extended code by code.

    Guidance steps two sequences for each item: one with its label and one with the mean of the labels, which reads the
    same codes. The second sequences follow the first ones in the batch.

    Attributes:
        model: the model.
        batch_size: B, the number of items.
        labels: int64 (B,); ``None`` for a model without labels, or for the mean of all.
        guidance: see :class:`~vocoders.sashimi.options.CodeSampling`.
        sequence_labels: int64 (B,), or (2 B,) with guidance.
    """

    def __init__(self, model: "Sashimi", batch_size: int, labels: Tensor | None = None, guidance: float = 1.0) -> None:
        if guidance != 1 and not model.config.labels:
            raise ConfigError(f"guidance {guidance:g} of a model without labels; leave it out")
        self.model = model
        self.batch_size = batch_size
        labels = None if labels is None else labels.to(model.head.weight.device)
        self.labels = self.sequence_labels = model.check_labels(labels, batch_size)
        self.guidance = guidance
        if guidance != 1 and labels is not None:
            mean = torch.full_like(labels, len(model.config.labels))
            self.sequence_labels = torch.cat([labels, mean])

    @property
    def num_sequences(self) -> int:
        """B, or 2 B with guidance."""
        return self.batch_size if self.sequence_labels is None else len(self.sequence_labels)

    def draw(self, uniforms: np.ndarray, temperature: float = 1.0, top_p: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Draw the next codes.

        Args:
            uniforms: float64 (B, n) in [0, 1), one number for each code.
            temperature: divides the logits; 0 takes the most probable code.
            top_p: total probability of the codes to draw from, the most probable ones (at temperature 1, as
                published).

        Returns:
            Codes int64 (B, n), and the sums of their log-probabilities in nats (at temperature 1, without ``top_p``,
            with guidance), float64 (B,).
        """
        if uniforms.ndim != 2 or len(uniforms) != self.batch_size:
            raise ShapeError(f"uniforms {uniforms.shape}; expected ({self.batch_size}, n)")
        return self._draw(uniforms, temperature, top_p)

    def follow(self, codes: np.ndarray) -> np.ndarray:
        """Continue with given codes, int64 (B, n); return the (guided) logits that predicted each code, (B, n, V)."""
        if codes.ndim != 2 or len(codes) != self.batch_size:
            raise ShapeError(f"codes {codes.shape}; expected ({self.batch_size}, n)")
        return self._follow(codes)

    @abstractmethod
    def _draw(self, uniforms: np.ndarray, temperature: float, top_p: float) -> tuple[np.ndarray, np.ndarray]: ...

    @abstractmethod
    def _follow(self, codes: np.ndarray) -> np.ndarray: ...
