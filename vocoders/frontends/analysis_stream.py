"""Analysis of audio that comes in pieces: the mel and F0 of a front end, frame by frame."""

import numpy as np
import torch
from torch import Tensor

from vocoders.core.checks import check_audio
from vocoders.core.chunked_stream import ChunkedFunction
from vocoders.core.errors import ConfigError, ShapeError
from vocoders.frontends.causal_f0 import CausalF0
from vocoders.frontends.front_end import FrontEnd
from vocoders.frontends.mel import LogMel

__all__ = ["AnalysisStream"]


class AnalysisStream:
    """The features of a stream of audio; what is pushed into a vocoder's stream.

    The mel is that of the whole audio. F0 is tracked by :class:`CausalF0`, in the range and at the times of the front
    end's own tracker.

    Args:
        front_end: a front end with a mel.
        batch: number of streams.

    Raises:
        ConfigError: for a front end without a mel.
    """

    def __init__(self, front_end: FrontEnd, batch: int = 1) -> None:
        if front_end.mel is None:
            raise ConfigError(
                f"the front end '{front_end.fingerprint}' has no mel; only features are analysed in streams"
            )
        mel, hop = front_end.mel, front_end.hop_length
        self.batch, self.hop_length = batch, hop
        # Frame n needs the samples up to half a window after its centre.
        halo = -(-mel.n_fft // (2 * hop))
        self.log_mel = LogMel(mel)
        self.mels = ChunkedFunction(self.log_mel, (hop,), 1, 1, halo)
        self.pitch = None if front_end.f0 is None else _PitchStream(front_end, batch)
        self.audio = torch.zeros(batch, 1, 0)
        self.features = torch.zeros(batch, mel.n_mels, 0)
        self.f0 = torch.zeros(batch, 1, 0)
        self._finished = False

    @property
    def latency(self) -> int:
        """Largest number of samples between the end of a frame and its features."""
        return max(self.mels.halo * self.hop_length, 0 if self.pitch is None else self.pitch.latency)

    def push(self, audio: Tensor) -> dict[str, Tensor]:
        """Take the next samples; return the arguments of :meth:`Stream.push` that are ready.

        Args:
            audio: (T,), (B, T) or (B, 1, T) in [-1, 1] at the sample rate of the front end, any number of samples.

        Returns:
            ``features`` (B, n_mels, F), and ``f0`` (B, 1, F) in Hz, 0 where unvoiced, if the front end has F0; F from
            0 on.

        Raises:
            ShapeError: for audio of another shape or number of items, or after :meth:`finish`.
            DataError: for NaN or infinite samples. The stream goes on with the next piece.
        """
        if self._finished:
            raise ShapeError("the stream is finished; open a new one")
        checked = check_audio(audio, "T", "BT", "B1T", least=0, dtype=torch.float32).detach().cpu()
        checked = checked.reshape(1 if checked.ndim == 1 else len(checked), 1, checked.shape[-1])
        if len(checked) != self.batch:
            raise ShapeError(f"audio of {len(checked)} items; the stream has {self.batch}")
        whole = torch.cat([self.audio, checked], dim=-1)
        used = whole.shape[-1] - whole.shape[-1] % self.hop_length
        parts = self.mels.push(whole[..., :used]) if used else []
        self.audio = whole[..., used:]
        return self._ready(parts, None if self.pitch is None else self.pitch.push(checked[:, 0].numpy()))

    def finish(self, fill: bool = False) -> dict[str, Tensor]:
        """Close the stream, and return its last frames; a last incomplete frame is dropped, or filled with silence."""
        if fill:
            filled = self.push(torch.zeros(self.batch, 1, -self.audio.shape[-1] % self.hop_length))
            rest = self.finish()
            return {name: torch.cat([filled[name], rest[name]], dim=-1) for name in rest}
        if self._finished:
            raise ShapeError("the stream is finished; open a new one")
        self._finished = True
        missing = self.mels.frames - self.mels.context
        parts = self.mels.finish()
        count = self.features.shape[-1] + missing - self.f0.shape[-1]
        return self._ready(parts, None if self.pitch is None else self.pitch.finish(count))

    def _ready(self, mels: list[Tensor], f0: np.ndarray | None) -> dict[str, Tensor]:
        """Return the frames of which mel and F0 are known."""
        self.features = torch.cat([self.features, *mels], dim=-1)
        if f0 is None:
            features, self.features = self.features, self.features[..., :0]
            return {"features": features}
        self.f0 = torch.cat([self.f0, torch.from_numpy(f0)[:, None]], dim=-1)
        count = min(self.features.shape[-1], self.f0.shape[-1])
        ready = {"features": self.features[..., :count], "f0": self.f0[..., :count]}
        self.features, self.f0 = self.features[..., count:], self.f0[..., count:]
        return ready


class _PitchStream:
    """F0 of several streams; samples (B, n) -> (B, F)."""

    def __init__(self, front_end: FrontEnd, batch: int) -> None:
        f0, self.hop_length = front_end.f0, front_end.hop_length
        assert f0 is not None
        rate = front_end.sample_rate
        self.trackers = [CausalF0(rate, self.hop_length, f0.f0_min, f0.f0_max) for _ in range(batch)]
        self.width = self.trackers[0].width
        self.centre = self.hop_length // 2 if f0.alignment == "frame_center" else 0
        # The window of the first frame begins before the first sample.
        self.held = np.zeros((batch, self.width), dtype=np.float32)[:, : max(0, self.width // 2 - self.centre)]
        self.skipped = max(0, self.centre - self.width // 2)

    @property
    def latency(self) -> int:
        return max(0, self.width - self.width // 2 + self.centre - self.hop_length)

    def push(self, samples: np.ndarray) -> np.ndarray:
        skipped = min(self.skipped, samples.shape[1])
        self.skipped -= skipped
        self.held = np.concatenate([self.held, samples[:, skipped:]], axis=1)
        count = max(0, (self.held.shape[1] - self.width) // self.hop_length + 1)
        if count == 0:
            return np.zeros((len(samples), 0), dtype=np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(self.held, self.width, axis=1)[:, :: self.hop_length]
        f0 = np.stack([tracker.track(item) for tracker, item in zip(self.trackers, frames, strict=True)])
        self.held = self.held[:, count * self.hop_length :].copy()
        return f0

    def finish(self, count: int) -> np.ndarray:
        """Return the last ``count`` frames."""
        if count <= 0:
            return np.zeros((len(self.held), 0), dtype=np.float32)
        needed = (count - 1) * self.hop_length + self.width - self.held.shape[1]
        return self.push(np.zeros((len(self.held), max(0, needed)), dtype=np.float32))[:, :count]
