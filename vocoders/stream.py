"""Vocoders in streams: features in, audio out, as they come.

``model.stream()`` opens a :class:`Stream`. Pieces of any length give the same samples, memory stays constant, and the
samples that are still missing are known (:attr:`Stream.latency`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vocoders.core.checks import check_features
from vocoders.core.chunked_stream import ChunkedFunction
from vocoders.core.errors import ShapeError
from vocoders.core.pretrained import evaluating

if TYPE_CHECKING:
    from vocoders.interface import Vocoder

__all__ = ["ChunkedStream", "NoiseStream", "Stream"]


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


class ChunkedStream(Stream):
    """A stream of a vocoder that takes features and noise, computed in chunks with context and cross-faded.

    Args:
        vocoder: the system.
        function: takes features (B, num_features, F) and standard normal noise (B, 1, F * hop_length); returns the
            waveform (B, 1, F * hop_length).
        seeds: seed of the noise of each item.
        chunk: frames that are computed at once.
        halo: frames of context on either side.
        fade: frames over which chunks are cross-faded; at most ``halo`` and ``chunk``.
    """

    def __init__(
        self,
        vocoder: "Vocoder",
        function: Callable[[Tensor, Tensor], Tensor],
        seeds: Sequence[int],
        chunk: int,
        halo: int,
        fade: int,
    ) -> None:
        super().__init__(vocoder, len(seeds))
        hop = vocoder.hop_length
        self.noise = NoiseStream(seeds)
        self.chunks = ChunkedFunction(function, (1, hop), hop, chunk, halo, fade)

    @property
    def latency(self) -> int:
        """Largest number of samples by which the output lags behind the features."""
        return self.chunks.delay * self.vocoder.hop_length

    def _push(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        parts = []
        for frame in inputs["features"].split(1, dim=-1):
            parts += self.chunks.push(frame, self.noise.draw(self.vocoder.hop_length).to(frame.device))
        return parts

    def _finish(self) -> list[Tensor]:
        return self.chunks.finish()


class NoiseStream:
    """White noise of items that goes on from piece to piece.

    For lengths that are multiples of 16 the pieces are those of the noise that is drawn at once.

    Args:
        seeds: seed of each item.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw_phases(self) -> Tensor:
        """Return a uniform number in [0, 1) for each item, (B, 1)."""
        return torch.cat([torch.rand((1, 1), generator=generator) for generator in self.generators])

    def draw(self, length: int) -> Tensor:
        """Return the next standard normal samples (B, 1, length)."""
        return torch.cat([torch.randn((1, 1, length), generator=generator) for generator in self.generators])
