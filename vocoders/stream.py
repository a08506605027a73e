"""Vocoders in streams: features in, audio out, as they come.

``model.stream()`` opens a :class:`Stream`. Pieces of any length give the same samples, memory stays constant, and the
samples that are still missing are known (:attr:`Stream.latency`).
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vocoders.core.checks import check_f0, check_features
from vocoders.core.errors import ShapeError
from vocoders.core.pretrained import evaluating

if TYPE_CHECKING:
    from vocoders.interface import Vocoder

__all__ = ["Stream"]


class Stream(ABC):
    """One or several streams in a batch, computed together.

    Args:
        vocoder: the system; its weights must not change while the stream is open.
        batch: number of streams.
    """

    def __init__(self, vocoder: "Vocoder", batch: int = 1) -> None:
        self.vocoder, self.batch = vocoder, batch
        self._finished = False

    @property
    @abstractmethod
    def latency(self) -> int:
        """Largest number of samples by which the output lags behind the features.

        After F frames at least F * hop_length - latency samples have been returned. The context that the analysis of
        audio needs is not included.
        """

    @property
    def latency_seconds(self) -> float:
        """:attr:`latency` in seconds."""
        return self.latency / self.vocoder.sample_rate

    def push(self, features: Tensor, f0: Tensor | None = None) -> Tensor:
        """Take the next frames, and return the samples that are ready.

        Args:
            features: (num_features, F) or (B, num_features, F), any number of frames.
            f0: (F,), (B, F) or (B, 1, F) in Hz, 0 where unvoiced, for vocoders that use F0.

        Returns:
            (B, 1, T), T from 0 on.

        Raises:
            ShapeError: for features of another shape, or after :meth:`finish`.
            DataError: for NaN or infinite numbers. The stream goes on with the next piece.
        """
        if self._finished:
            raise ShapeError("the stream is finished; open a new one")
        vocoder = self.vocoder
        inputs = {"features": check_features(features, vocoder.num_features)}
        if len(inputs["features"]) != self.batch:
            raise ShapeError(f"features of {len(inputs['features'])} items; the stream has {self.batch}")
        inputs |= vocoder.check_f0(f0, inputs["features"])
        with torch.inference_mode(), evaluating(vocoder):
            return self._joined(self._push({key: value.to(vocoder.device) for key, value in inputs.items()}))

    def finish(self) -> Tensor:
        """Close the stream, and return its last samples (B, 1, T)."""
        if self._finished:
            raise ShapeError("the stream is finished; open a new one")
        self._finished = True
        with torch.inference_mode(), evaluating(self.vocoder):
            return self._joined(self._finish())

    @abstractmethod
    def _push(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Return the parts (B, 1, T) of the output that are ready after checked inputs on the vocoder's device."""

    @abstractmethod
    def _finish(self) -> list[Tensor]:
        """Return the last parts of the output."""

    def _joined(self, parts: list[Tensor]) -> Tensor:
        if not parts:
            return torch.zeros(self.batch, 1, 0, device=self.vocoder.device)
        # A copy, so that the caller holds no view of the stream's memory.
        return torch.cat(parts, dim=-1).clone()
