"""Systems in streams: audio as it is made.

``model.stream()`` opens a :class:`Stream` of a vocoder (features in, audio out, as they come) or a :class:`DrawnStream`
of a generator. Pieces of any length give the same samples, memory stays constant, and the samples that are still
missing are known (:attr:`AudioStream.latency`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vocoders.core.checks import check_features
from vocoders.core.chunked_stream import ChunkedFunction
from vocoders.core.errors import ConfigError, ShapeError
from vocoders.core.pretrained import evaluating

if TYPE_CHECKING:
    from vocoders.generator import WaveformGenerator
    from vocoders.interface import Vocoder
    from vocoders.system import System

__all__ = ["AudioStream", "ChunkedStream", "DrawnStream", "EstimatedF0Stream", "NoiseStream", "Stream"]

# Earlier frames that an estimate of F0 sees; the shipped estimator reads 19.
_F0_PAST = 19


class AudioStream(ABC):
    """Audio that is made piece by piece: what streams of vocoders and of generators have in common.

    Args:
        system: what makes the audio; its weights must not change while the stream is open.
        batch: number of streams, which are computed together.
    """

    def __init__(self, system: "System", batch: int) -> None:
        self.system, self.batch = system, batch
        self._finished = False

    @property
    @abstractmethod
    def latency(self) -> int:
        """Largest number of samples by which the output lags behind the input."""

    @property
    def latency_seconds(self) -> float:
        """:attr:`latency` in seconds."""
        return self.latency / self.system.sample_rate

    def finish(self) -> Tensor:
        """Close the stream, and return its last samples (B, 1, T)."""
        self._check_open()
        self._finished = True
        with self._computing():
            return self._joined(self._finish())

    def _finish(self) -> list[Tensor]:
        """Return the last parts (B, 1, T) of the output."""
        return []

    def _check_open(self) -> None:
        if self._finished:
            raise ShapeError("the stream is finished; open a new one")

    @contextmanager
    def _computing(self) -> Iterator[None]:
        with torch.inference_mode(), evaluating(self.system):
            yield

    def _joined(self, parts: list[Tensor]) -> Tensor:
        if not parts:
            return torch.zeros(self.batch, 1, 0, device=self.system.device)
        # A copy, so that the caller holds no view of the stream's memory.
        return torch.cat(parts, dim=-1).clone()


class Stream(AudioStream):
    """One or several streams of a vocoder in a batch: features in, audio out.

    Args:
        vocoder: the system; its weights must not change while the stream is open.
        batch: number of streams.
    """

    def __init__(self, vocoder: "Vocoder", batch: int = 1) -> None:
        super().__init__(vocoder, batch)
        self.vocoder = vocoder

    @property
    @abstractmethod
    def latency(self) -> int:
        """Largest number of samples by which the output lags behind the features.

        After F frames at least F * hop_length - latency samples have been returned. The context that the analysis of
        audio needs is not included.
        """

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
        self._check_open()
        checked = check_features(features, self.vocoder.num_features)
        if len(checked) != self.batch:
            raise ShapeError(f"features of {len(checked)} items; the stream has {self.batch}")
        inputs = {"features": checked} | self._check_f0(f0, checked)
        with self._computing():
            return self._joined(self._push({key: value.to(self.vocoder.device) for key, value in inputs.items()}))

    def _check_f0(self, f0: Tensor | None, features: Tensor) -> dict[str, Tensor]:
        return self.vocoder.check_f0(f0, features)

    @abstractmethod
    def _push(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Return the parts (B, 1, T) of the output that are ready after checked inputs on the vocoder's device."""


class EstimatedF0Stream(Stream):
    """A stream whose F0 is estimated from the features.

    Args:
        stream: the stream that takes features and F0.
        estimate: returns F0 (B, 1, F) of features (B, num_features, F).
        look_ahead: later frames that the estimate of a frame sees.

    Raises:
        ConfigError: for a negative number, or a vocoder that uses no F0.
    """

    def __init__(self, stream: Stream, estimate: Callable[[Tensor], Tensor], look_ahead: int) -> None:
        if look_ahead < 0 or not stream.vocoder.uses_f0:
            name = type(stream.vocoder).__name__
            expected = (
                f"{name} uses no F0; leave it out" if look_ahead >= 0 else "expected a number of frames from 0 on"
            )
            raise ConfigError(f"f0_look_ahead {look_ahead}: {expected}")
        super().__init__(stream.vocoder, stream.batch)
        self.stream = stream
        self.estimates = ChunkedFunction(
            lambda features: torch.cat([features, estimate(features)], dim=1), (1,), 1, 1, look_ahead, past=_F0_PAST
        )

    @property
    def latency(self) -> int:
        """Largest number of samples by which the output lags behind the features."""
        return self.stream.latency + self.estimates.delay * self.vocoder.hop_length

    def _check_f0(self, f0: Tensor | None, features: Tensor) -> dict[str, Tensor]:
        if f0 is not None:
            raise ShapeError("f0 for a stream that estimates it; leave out f0, or f0_look_ahead")
        return {}

    def _push(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        return self._passed(self.estimates.push(inputs["features"]))

    def _finish(self) -> list[Tensor]:
        return [*self._passed(self.estimates.finish()), *self.stream._finish()]

    def _passed(self, parts: list[Tensor]) -> list[Tensor]:
        if not parts:
            return []
        joined = torch.cat(parts, dim=-1)
        return self.stream._push({"features": joined[:, :-1], "f0": joined[:, -1:]})


class DrawnStream(AudioStream):
    """One or several streams of a generator: audio without an end, as much as the caller takes.

    Args:
        generator: the system.
        prompt: what the stream continues, as the system encodes it, (N,).
        labels: label of each item; empty for a system without labels.
        batch: number of streams.
    """

    def __init__(self, generator: "WaveformGenerator", prompt: Tensor, labels: tuple[str, ...], batch: int) -> None:
        super().__init__(generator, batch)
        self.prompt, self.labels = prompt, labels

    @property
    def latency(self) -> int:
        """0: a sample is returned as soon as it is drawn."""
        return 0

    def pull(self, length: int) -> Tensor:
        """Draw the next samples.

        Args:
            length: how many, from 0 on. Pieces of any length give the samples of :meth:`WaveformGenerator.generate`.

        Returns:
            (B, 1, length) on the CPU.

        Raises:
            ShapeError: for a negative length, or after :meth:`finish`.
        """
        self._check_open()
        if length < 0:
            raise ShapeError(f"{length} samples; expected a number from 0 on")
        with self._computing():
            return self._pull(length) if length else torch.zeros(self.batch, 1, 0)

    @abstractmethod
    def _pull(self, length: int) -> Tensor:
        """Return the next ``length`` samples (B, 1, length), at least one."""


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
