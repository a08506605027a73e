"""One stream of a client: what it asks for, its pieces, and the audio that they become."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from recipes.serving.limits import Limits, check_effort
from vocoders.core.audio_pipes import PipeFormat, decode_samples, encode_samples
from vocoders.core.checks import check_audio, check_f0, check_features
from vocoders.core.config import Config
from vocoders.core.errors import ConfigError, DataError
from vocoders.core.json_files import parse_json
from vocoders.core.options import SynthesisOptions
from vocoders.core.plugins import unknown_name
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.plausibility import check_plausible
from vocoders.interface import Vocoder

__all__ = ["Request", "Session", "parse_request"]

# Frames that are computed without a pause; frames of a message whose values are compared with the convention.
_FRAMES, _CHECKED_FRAMES = 50, 19


def _pieces(signal: Tensor, hop_length: int = 1) -> tuple[Tensor, ...]:
    """Return the pieces of a signal that are computed without a pause."""
    return signal.split(_FRAMES * hop_length, dim=-1)


def parse_request(message: str) -> "Request":
    """Return the request in the first message of a client.

    Raises:
        ConfigError: for what is no JSON object, an unknown key or an impossible value.
    """
    try:
        content = parse_json(message.encode())
    except ValueError as error:
        raise ConfigError(f"a request that is no JSON: {error}") from None
    return Request.from_dict(content, "request")


def _options(vocoder: Vocoder, changes: dict[str, Any]) -> SynthesisOptions:
    """Return the options that a client asks for; its names are compared with the declared ones before any call."""
    declared = [name for option in vocoder.options_class.declared() for name in (option.name, *option.spellings)]
    for name in changes:
        if name not in declared:
            raise ConfigError(unknown_name("option", name, declared))
    options = vocoder.options(**changes)
    check_effort(options)
    return options


class Request(Config):
    """The first message of a client, as JSON.

    Attributes:
        input: ``features``: frames of float32, little endian, each with the bands of the model and then, if it uses F0,
            F0 in Hz; ``pcm``: mono audio at the model's sample rate, which is analysed as it comes.
        encoding: of the audio, both ways: ``s16le`` or ``f32le``.
        seed: seed of noise and phases.
        chunk: frames that are computed at once where the model looks ahead.
        f0_look_ahead: for features without F0: it is estimated from the mel, with so many later frames.
        options: options of synthesis by name.
    """

    input: Literal["features", "pcm"] = "features"
    encoding: Literal["s16le", "f32le"] = "s16le"
    seed: int = Field(default=0, ge=0, lt=2**63)
    chunk: int = Field(default=8, ge=1, le=1000)
    f0_look_ahead: int | None = Field(default=None, ge=0, le=1000)
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _check(self) -> "Request":
        if self.input == "pcm" and self.f0_look_ahead is not None:
            raise ValueError("f0_look_ahead is for features; F0 of audio is tracked")
        return self


class Session:
    """The stream of one client.

    Args:
        vocoder: the system.
        request: what the client asks for.
        limits: of the server.

    Raises:
        ConfigError: for unknown options, more steps than a server takes, or a vocoder without streams.
    """

    def __init__(self, vocoder: Vocoder, request: Request, limits: Limits) -> None:
        self.vocoder, self.request, self.limits = vocoder, request, limits
        how = {"seed": request.seed, "chunk": request.chunk, "f0_look_ahead": request.f0_look_ahead}
        self.stream = vocoder.stream(_options(vocoder, request.options), **how)
        self.analysis = vocoder.analysis_stream() if request.input == "pcm" else None
        self.format = PipeFormat(request.encoding, vocoder.sample_rate, 1)
        self.samples = 0

    @property
    def takes_f0(self) -> bool:
        """Whether a client's frames contain F0."""
        return self.vocoder.uses_f0 and self.request.f0_look_ahead is None

    @property
    def width(self) -> int:
        """Numbers in a frame of a client's features."""
        return self.vocoder.num_features + self.takes_f0

    def describe(self) -> dict[str, Any]:
        """Return what the client needs to know."""
        latency = self.stream.latency + (0 if self.analysis is None else self.analysis.latency)
        return {
            "sample_rate": self.vocoder.sample_rate,
            "hop_length": self.vocoder.hop_length,
            "frame": ["features"] * self.vocoder.num_features + (["f0"] if self.takes_f0 else []),
            "fingerprint": self.vocoder.fingerprint,
            "encoding": self.request.encoding,
            "latency": latency,
        } | ({} if self.analysis is None else {"input": "pcm"})

    def push(self, data: bytes) -> Iterator[bytes]:
        """Yield the audio that is ready after a message, piece by piece, so that other clients wait for none.

        Raises:
            DataError, ShapeError: for data that cannot be used, before the first piece; the stream goes on with the
                next message.
        """
        if self.analysis is None:
            pieces = map(self._inputs, _pieces(self._read_features(data)))
        else:
            pieces = map(self.analysis.push, _pieces(self._read_audio(data), self.vocoder.hop_length))
        return self._synthesized(pieces)

    def finish(self) -> Iterator[bytes]:
        """Yield the last audio."""
        if self.analysis is not None:
            yield from self._synthesized([self.analysis.finish(fill=True)])
        yield encode_samples(self.stream.finish()[0], self.format)

    def _synthesized(self, pieces: Iterable[dict[str, Tensor]]) -> Iterator[bytes]:
        for inputs in pieces:
            if inputs["features"].shape[-1]:
                yield encode_samples(self.stream.push(**inputs)[0], self.format)

    def _inputs(self, frames: Tensor) -> dict[str, Tensor]:
        """Return the arguments of the stream for frames (1, width, F)."""
        features = {"features": frames[:, : self.vocoder.num_features]}
        return features | ({"f0": frames[:, -1:]} if self.takes_f0 else {})

    def _read_features(self, data: bytes) -> Tensor:
        """Return the frames (1, width, F) of a message."""
        size = 4 * self.width
        if not data or len(data) % size:
            raise DataError(
                f"a message of {len(data)} bytes; expected frames of {self.width} float32, {size} bytes each"
            )
        frames = torch.from_numpy(np.frombuffer(data, "<f4").reshape(-1, self.width).T.copy())[None]
        check_features(frames, self.width)
        if self.vocoder.mel is not None:
            # So few that only impossible values count: a stream may begin with any sound, or none.
            first = frames[0, : self.vocoder.num_features, :_CHECKED_FRAMES]
            check_plausible(first, MelConvention(mel=self.vocoder.mel), "a message")
        if self.takes_f0:
            check_f0(frames[:, -1:], frames)
        self._count(frames.shape[-1] * self.vocoder.hop_length)
        return frames

    def _read_audio(self, data: bytes) -> Tensor:
        """Return the samples (1, T) of a message."""
        if len(data) % self.format.frame_bytes:
            raise DataError(f"a message of {len(data)} bytes; expected samples of {self.format.frame_bytes} bytes each")
        audio = check_audio(decode_samples(data, self.format), "CT", least=0)
        self._count(audio.shape[-1])
        return audio

    def _count(self, samples: int) -> None:
        most = self.limits.seconds * self.vocoder.sample_rate
        if self.samples + samples > most:
            raise DataError(f"a stream of over {self.limits.seconds:g} s; open another one")
        self.samples += samples
