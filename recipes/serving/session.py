"""One stream of a client: what it asks for, its pieces, and the audio that they become."""

from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from recipes.serving.limits import Limits
from vocoders.core.audio_pipes import PipeFormat, decode_samples, encode_samples
from vocoders.core.config import Config
from vocoders.core.errors import DataError
from vocoders.interface import Vocoder

__all__ = ["Request", "Session"]


class Request(Config):
    """The first message of a client, as JSON.

    Attributes:
        input: ``features``: frames of float32, little endian, each with the bands of the model and then, if it uses F0,
            F0 in Hz; ``pcm``: mono audio at the model's sample rate, which is analysed as it comes.
        encoding: of the audio, both ways: ``s16le`` or ``f32le``.
        seed: seed of noise and phases.
        chunk: frames that are computed at once where the model looks ahead.
        options: options of synthesis by name.
    """

    input: Literal["features", "pcm"] = "features"
    encoding: Literal["s16le", "f32le"] = "s16le"
    seed: int = Field(default=0, ge=0, lt=2**63)
    chunk: int = Field(default=8, ge=1, le=1000)
    options: dict[str, Any] = {}


class Session:
    """The stream of one client.

    Args:
        vocoder: the system.
        request: what the client asks for.
        limits: of the server.

    Raises:
        ConfigError: for unknown options, or a vocoder without streams.
    """

    def __init__(self, vocoder: Vocoder, request: Request, limits: Limits) -> None:
        self.vocoder, self.request, self.limits = vocoder, request, limits
        self.stream = vocoder.stream(seed=request.seed, chunk=request.chunk, **request.options)
        self.analysis = vocoder.analysis_stream() if request.input == "pcm" else None
        self.format = PipeFormat(request.encoding, vocoder.sample_rate, 1)
        self.samples = 0

    @property
    def width(self) -> int:
        """Numbers in a frame of a client's features."""
        return self.vocoder.num_features + self.vocoder.uses_f0

    def describe(self) -> dict[str, Any]:
        """Return what the client needs to know."""
        latency = self.stream.latency + (0 if self.analysis is None else self.analysis.latency)
        return {
            "sample_rate": self.vocoder.sample_rate,
            "hop_length": self.vocoder.hop_length,
            "frame": ["features"] * self.vocoder.num_features + (["f0"] if self.vocoder.uses_f0 else []),
            "fingerprint": self.vocoder.fingerprint,
            "encoding": self.request.encoding,
            "latency": latency,
        } | ({} if self.analysis is None else {"input": "pcm"})

    def push(self, data: bytes) -> bytes:
        """Return the audio that is ready after a message.

        Raises:
            DataError, ShapeError: for data that cannot be used; the stream goes on with the next message.
        """
        inputs = self._read_features(data) if self.analysis is None else self._analyze(data)
        if not inputs["features"].shape[-1]:
            return b""
        return encode_samples(self.stream.push(**inputs)[0], self.format)

    def finish(self) -> bytes:
        """Return the last audio."""
        audio = []
        if self.analysis is not None:
            inputs = self.analysis.finish(fill=True)
            if inputs["features"].shape[-1]:
                audio.append(self.stream.push(**inputs)[0])
        return encode_samples(torch.cat([*audio, self.stream.finish()[0]], dim=-1), self.format)

    def _read_features(self, data: bytes) -> dict[str, Tensor]:
        size = 4 * self.width
        if not data or len(data) % size:
            raise DataError(
                f"a message of {len(data)} bytes; expected frames of {self.width} float32, {size} bytes each"
            )
        frames = torch.from_numpy(np.frombuffer(data, "<f4").reshape(-1, self.width).T.copy())
        self._count(frames.shape[-1] * self.vocoder.hop_length)
        features = frames[None, : self.vocoder.num_features]
        return {"features": features} | ({"f0": frames[None, -1:]} if self.vocoder.uses_f0 else {})

    def _analyze(self, data: bytes) -> dict[str, Tensor]:
        assert self.analysis is not None
        if len(data) % self.format.frame_bytes:
            raise DataError(f"a message of {len(data)} bytes; expected samples of {self.format.frame_bytes} bytes each")
        audio = decode_samples(data, self.format)
        self._count(audio.shape[-1])
        return self.analysis.push(audio)

    def _count(self, samples: int) -> None:
        most = self.limits.seconds * self.vocoder.sample_rate
        if self.samples + samples > most:
            raise DataError(f"a stream of over {self.limits.seconds:g} s; open another one")
        self.samples += samples
