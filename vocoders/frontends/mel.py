"""Log-mel spectrograms in any of the field's conventions.

Two vocoders can share a mel only if every number of :class:`MelConfig` agrees. Its ``fingerprint`` lists them in one
line, and trainer, command line and demo compare these lines before they compute anything.
"""

from typing import Any, ClassVar, Literal

import librosa
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from vocoders.core.checks import check_audio
from vocoders.core.chunking import chunk_spans
from vocoders.core.config import Config
from vocoders.core.errors import ShapeError
from vocoders.core.numbers import exact_text

__all__ = ["MEL_PRESETS", "Logarithm", "LogMel", "MelConfig", "from_logarithm", "to_logarithm"]

Logarithm = Literal["ln", "log10", "log2"]
# Product of n_mels and n_fft: twice the weights of the filter bank.
_MOST_WEIGHTS = 1 << 23
# Frames of a spectrum that are in memory at once.
_CHUNK_FRAMES = 4096


def to_logarithm(mel: Tensor, log: Logarithm) -> Tensor:
    """Return the logarithm of positive values."""
    return {"ln": torch.log, "log10": torch.log10, "log2": torch.log2}[log](mel)


def from_logarithm(log_mel: Tensor, log: Logarithm) -> Tensor:
    """Return the values with a given logarithm."""
    return torch.exp(log_mel) if log == "ln" else torch.pow(10.0 if log == "log10" else 2.0, log_mel)


class MelConfig(Config):
    """Everything that defines a log-mel spectrogram.

    In YAML the name of a preset may replace the whole mapping (``mel: wavehax_24k``), or be its base
    (``mel: {preset: wavehax_24k, fmax: 12000}``).

    Attributes:
        sample_rate: in Hz.
        n_fft: transform length in samples.
        hop_length: frame distance in samples.
        win_length: window length in samples (periodic Hann, centred in ``n_fft``); ``None``: ``n_fft``.
        n_mels: number of mel bands.
        fmin: lowest band edge in Hz.
        fmax: highest band edge in Hz; ``None``: half the sample rate.
        power: exponent of the magnitude spectrum, 1 or 2.
        padding: ``same_zero`` and ``same_reflect`` centre frame n at (n + 1/2) hops, ``center_reflect`` and
            ``center_zero`` at n hops (the surplus last frame is dropped).
        scale: mel formula, Slaney's or HTK's.
        norm: ``slaney`` divides each triangle by its width in Hz.
        magnitude_epsilon: added to the squared magnitude before the square root.
        log: natural (``ln``), decimal (``log10``) or binary (``log2``) logarithm.
        floor: lower limit of the argument of the logarithm.
    """

    other_names: ClassVar = {
        "sample_rate": ("sr", "fs", "sampling_rate", "samplerate", "rate"),
        "n_fft": ("fft_size", "nfft", "filter_length"),
        "hop_length": ("hop_size", "hop", "n_shift", "frame_shift", "hop_samples"),
        "win_length": ("win_size", "window_size", "window_length", "frame_length"),
        "n_mels": ("num_mels", "n_mel_channels", "mel_bins", "num_mel_bins", "mel_channels", "n_mel"),
        "fmin": ("f_min", "mel_fmin", "lower_edge_hertz"),
        "fmax": ("f_max", "mel_fmax", "upper_edge_hertz"),
    }

    sample_rate: int = Field(default=24000, gt=0)
    n_fft: int = Field(default=1024, gt=0)
    hop_length: int = Field(default=240, gt=0)
    win_length: int | None = Field(default=None, gt=0)
    n_mels: int = Field(default=100, gt=0)
    fmin: float = Field(default=0.0, ge=0)
    fmax: float | None = Field(default=None, gt=0)
    power: Literal[1, 2] = 1
    padding: Literal["same_zero", "same_reflect", "center_reflect", "center_zero"] = "same_zero"
    scale: Literal["slaney", "htk"] = "slaney"
    norm: Literal["slaney", "none"] = "slaney"
    magnitude_epsilon: float = Field(default=0.0, ge=0)
    log: Logarithm = "ln"
    floor: float = Field(default=1e-5, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _expand_preset(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"preset": data}
        if isinstance(data, dict) and "preset" in data:
            data = dict(data)
            name = data.pop("preset")
            if name not in _PRESETS:
                raise ValueError(f"unknown mel preset '{name}'; known presets: {', '.join(_PRESETS)}")
            data = {**_PRESETS[name], **data}
        return data

    @model_validator(mode="after")
    def _check(self) -> "MelConfig":
        if self.top_frequency > self.sample_rate / 2:
            raise ValueError(f"fmax {self.top_frequency} Hz lies above half the sample rate {self.sample_rate} Hz")
        if self.fmin >= self.top_frequency:
            raise ValueError(f"fmin {self.fmin} Hz is not below fmax {self.top_frequency} Hz")
        if self.window_length > self.n_fft or self.hop_length > self.n_fft:
            raise ValueError(f"win_length and hop_length must not exceed n_fft {self.n_fft}")
        if self.n_mels * self.n_fft > _MOST_WEIGHTS:
            raise ValueError(f"n_mels {self.n_mels} times n_fft {self.n_fft} is above {_MOST_WEIGHTS}")
        return self

    @property
    def window_length(self) -> int:
        """Window length in samples."""
        return self.win_length or self.n_fft

    @property
    def top_frequency(self) -> float:
        """Upper edge of the highest band in Hz."""
        return self.fmax or self.sample_rate / 2

    @property
    def fingerprint(self) -> str:
        """The front end in one line: equal lines mean equal numbers."""
        return (
            f"mel {self.sample_rate} Hz n_fft={self.n_fft} hop={self.hop_length} win={self.window_length} "
            f"bands={self.n_mels} {exact_text(self.fmin)}-{exact_text(self.top_frequency)} Hz {self.scale}/{self.norm} "
            f"power={self.power} eps={exact_text(self.magnitude_epsilon)} {self.log} floor={exact_text(self.floor)} "
            f"pad={self.padding}"
        )


_HIFIGAN: dict[str, Any] = {
    "sample_rate": 22050, "n_fft": 1024, "hop_length": 256, "n_mels": 80, "fmax": 8000.0,
    "padding": "same_reflect", "magnitude_epsilon": 1e-9,
}  # fmt: skip
_PRESETS: dict[str, dict[str, Any]] = {
    "hifigan_22k": _HIFIGAN,
    "bigvgan_22k": _HIFIGAN,
    "bigvgan_24k": {**_HIFIGAN, "sample_rate": 24000, "n_mels": 100, "fmax": 12000.0},
    "bigvgan_44k": {
        **_HIFIGAN, "sample_rate": 44100, "n_fft": 2048, "hop_length": 512, "n_mels": 128, "fmax": 22050.0,
    },
    "vocos_24k": {
        "sample_rate": 24000, "n_fft": 1024, "hop_length": 256, "n_mels": 100, "fmax": 12000.0,
        "padding": "center_reflect", "scale": "htk", "norm": "none", "floor": 1e-7,
    },
    "espnet_24k": {
        "sample_rate": 24000, "n_fft": 2048, "hop_length": 300, "win_length": 1200, "n_mels": 80, "fmin": 80.0,
        "fmax": 7600.0, "padding": "center_reflect", "log": "log10", "floor": 1e-10,
    },
    "wavehax_24k": {"sample_rate": 24000, "n_fft": 1024, "hop_length": 240, "n_mels": 100, "fmax": 8000.0},
    # The reference publishes no 48 kHz features: this doubles every length and frequency of wavehax_24k.
    "wavehax_48k": {"sample_rate": 48000, "n_fft": 2048, "hop_length": 480, "n_mels": 100, "fmax": 16000.0},
}  # fmt: skip
MEL_PRESETS: dict[str, MelConfig] = {name: MelConfig(**values) for name, values in _PRESETS.items()}


class LogMel(nn.Module):
    """Log-mel spectrogram of a :class:`MelConfig`.

    Shape:
        audio (B, 1, T) or (B, T), float in [-1, 1] -> (B, n_mels, T // hop_length).
    """

    basis: Tensor
    window: Tensor

    def __init__(self, config: MelConfig) -> None:
        super().__init__()
        self.config = config
        basis = librosa.filters.mel(
            sr=config.sample_rate,
            n_fft=config.n_fft,
            n_mels=config.n_mels,
            fmin=config.fmin,
            fmax=config.top_frequency,
            htk=config.scale == "htk",
            norm=None if config.norm == "none" else config.norm,
        )
        self.register_buffer("basis", torch.from_numpy(basis), persistent=False)
        self.register_buffer("window", torch.hann_window(config.window_length), persistent=False)

    @property
    def fingerprint(self) -> str:
        """The configuration's fingerprint."""
        return self.config.fingerprint

    def forward(self, audio: Tensor) -> Tensor:
        """Return the log-mel spectrogram of ``audio``, a tensor or an array.

        Raises:
            DataError: for NaN or infinite samples, in audio without gradients on the CPU.
            ShapeError: for another shape or type, or less than a frame.
        """
        # In training the check would cost time, and the trainer skips steps that are not finite.
        if not isinstance(audio, Tensor) or not (audio.requires_grad or audio.is_cuda):
            audio = check_audio(audio, "BT", "B1T", dtype=self.window.dtype)
        return to_logarithm(torch.clamp(self.linear(audio), min=self.config.floor), self.config.log)

    def linear(self, audio: Tensor) -> Tensor:
        """Return the mel spectrogram before the logarithm, (B, n_mels, T // hop_length), always in full precision.

        Frames do not depend on each other, so the spectrum of long audio is never in memory as a whole.
        """
        hop, n_fft = self.config.hop_length, self.config.n_fft
        with torch.autocast(audio.device.type, enabled=False):
            padded = self._padded(audio)
            windows = (
                padded[..., span.start * hop : (span.stop - 1) * hop + n_fft]
                for span in chunk_spans(self._num_frames(audio), _CHUNK_FRAMES, 0)
            )
            mels = [torch.matmul(self.basis, self._magnitude(self._transform(window))) for window in windows]
            return mels[0] if len(mels) == 1 else torch.cat(mels, dim=-1)

    def spectrum(self, audio: Tensor) -> Tensor:
        """Return the magnitude (or power) spectrogram, (B, n_fft // 2 + 1, T // hop_length)."""
        return self._magnitude(self.complex_spectrum(audio))

    def _magnitude(self, spectrum: Tensor) -> Tensor:
        config = self.config
        if config.magnitude_epsilon > 0:
            magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + config.magnitude_epsilon)
        else:
            magnitude = spectrum.abs()
        return magnitude if config.power == 1 else magnitude**2

    def complex_spectrum(self, audio: Tensor) -> Tensor:
        """Return the STFT that the mel is computed from, complex (B, n_fft // 2 + 1, T // hop_length)."""
        return self._transform(self._padded(audio))[..., : self._num_frames(audio)]

    def _num_frames(self, audio: Tensor) -> int:
        return audio.shape[-1] // self.config.hop_length

    def _padded(self, audio: Tensor) -> Tensor:
        """Return the audio under all frames, (B, T), with its padding."""
        config = self.config
        if audio.dim() == 3 and audio.shape[1] == 1:
            audio = audio[:, 0]
        if audio.dim() != 2:
            raise ShapeError(f"audio of shape {tuple(audio.shape)}; expected (B, 1, T) or (B, T)")
        if audio.shape[-1] < config.hop_length:
            raise ShapeError(f"{audio.shape[-1]} samples; at least one hop of {config.hop_length} is needed")
        return self._pad(audio.float() if audio.dtype in (torch.float16, torch.bfloat16) else audio)

    def _transform(self, padded: Tensor) -> Tensor:
        config = self.config
        return torch.stft(
            padded,
            config.n_fft,
            config.hop_length,
            config.window_length,
            window=self.window,
            center=False,
            return_complex=True,
        )

    def _pad(self, audio: Tensor) -> Tensor:
        placement, kind = self.config.padding.split("_")
        total = self.config.n_fft if placement == "center" else self.config.n_fft - self.config.hop_length
        left, right = total // 2, total - total // 2
        if kind == "zero":
            return F.pad(audio, (left, right))
        if audio.shape[-1] <= right:
            raise ShapeError(f"{audio.shape[-1]} samples; reflection padding needs more than {right}")
        return F.pad(audio, (left, right), mode="reflect")
