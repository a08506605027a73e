"""Baselines that give every table a floor: Griffin-Lim from the same mel, and WORLD analysis-synthesis.

Both are systems like a trained vocoder, with ``analyze``, ``synthesize`` and ``copy_synthesis``, and need no training.
"""

from collections.abc import Callable
from typing import Any

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.metrics.metric import optional_module
from vocoders.core.checks import check_audio, check_f0, check_features, check_mono
from vocoders.core.errors import ConfigError, ShapeError
from vocoders.frontends.f0 import scale_f0
from vocoders.frontends.mel import MEL_PRESETS, LogMel, MelConfig

__all__ = ["BASELINES", "GriffinLim", "World", "create_baseline"]

BASELINES = ("griffin-lim", "world")

_DEFAULT_MEL, _DEFAULT_RATE = "bigvgan_24k", 24000
_FRAME_SECONDS = 0.005


def create_baseline(name: str, find_mel: Callable[[str], MelConfig] | None = None) -> Any:
    """Create a baseline by name.

    Args:
        name: ``griffin-lim`` (the mel of BigVGAN and PeriodWave at 24 kHz), ``griffin-lim:PRESET``,
            ``griffin-lim:MODEL`` (the mel of that model), ``world`` (24 kHz) or ``world:RATE``.
        find_mel: gives the mel of a model by name; ``None``: presets only.

    Raises:
        ConfigError: for an unknown name.
        MissingExtraError: if pyworld is not installed.
    """
    kind, _, detail = name.partition(":")
    if kind == "griffin-lim":
        preset = detail or _DEFAULT_MEL
        if preset in MEL_PRESETS:
            return GriffinLim(MEL_PRESETS[preset])
        if find_mel is not None:
            return GriffinLim(find_mel(preset))
        raise ConfigError(f"unknown mel '{preset}' for griffin-lim; known presets: {', '.join(MEL_PRESETS)}")
    if kind == "world":
        if detail and not (detail.isdecimal() and 8000 <= int(detail) <= 192000):
            raise ConfigError(f"'{name}': '{detail}' is no sample rate from 8000 to 192000 Hz; write world:48000")
        return World(int(detail or _DEFAULT_RATE))
    raise ConfigError(f"unknown baseline '{name}'; known baselines: {', '.join(BASELINES)}")


class GriffinLim:
    """Waveform from a mel spectrogram by phase retrieval (Griffin and Lim 1984; fast form of Perraudin et al. 2013).

    The linear spectrum is the least-squares solution of ``mel = basis @ spectrum`` (pseudo-inverse), cut at zero.

    Args:
        config: the mel that it starts from; take that of the vocoder beside it.
        iterations: number of phase updates.
        momentum: of the fast form; 0 is the original algorithm.
    """

    def __init__(self, config: MelConfig, iterations: int = 32, momentum: float = 0.99) -> None:
        self.config, self.iterations, self.momentum = config, iterations, momentum
        self.front_end = LogMel(config)
        self._inverse_basis = torch.linalg.pinv(self.front_end.basis.double()).float()

    @property
    def fingerprint(self) -> str:
        """One line that identifies the front end."""
        return self.front_end.fingerprint

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.config.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.config.hop_length

    def analyze(self, audio: Tensor) -> dict[str, Tensor]:
        """Return ``{"features": log-mel (B, n_mels, T // hop_length)}`` of audio (B, 1, T)."""
        with torch.inference_mode():
            return {"features": self.front_end(check_mono(audio, self.hop_length))}

    def synthesize(
        self,
        features: Tensor | None = None,
        *,
        audio: Tensor | None = None,
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> Tensor:
        """Return audio (B, 1, F * hop_length) for log-mels (B, n_mels, F), or for audio; equal seeds give equal audio.

        Raises:
            DataError, ShapeError: for tensors that cannot be used, see :mod:`vocoders.core.checks`.
        """
        if audio is not None:
            features = self.analyze(_whole_frames(audio, self.hop_length))["features"]
        if features is None:
            raise ShapeError("Griffin-Lim needs features or audio; both are missing")
        features = check_features(features, self.config.n_mels).cpu()
        found = torch.stack([self._invert(item, seed) for item in self._linear_spectrum(features)])[:, None]
        if progress is not None:
            progress(1.0)
        return found

    def copy_synthesis(self, audio: Tensor, seed: int = 0) -> Tensor:
        """Return audio (B, 1, T) that was analysed and synthesised again."""
        return self.synthesize(audio=audio, seed=seed)[..., : audio.shape[-1]]

    def _linear_spectrum(self, features: Tensor) -> Tensor:
        """Return the magnitude spectrum (B, n_fft // 2 + 1, F) whose mel is nearest to ``features``."""
        mel = features.exp() if self.config.log == "ln" else 10.0**features
        spectrum = torch.matmul(self._inverse_basis, mel).clamp(min=0.0)
        return spectrum if self.config.power == 1 else spectrum.sqrt()

    def _invert(self, magnitude: Tensor, seed: int) -> Tensor:
        """Find a signal (F * hop_length,) with the given magnitudes (n_fft // 2 + 1, F)."""
        hop_length, n_fft = self.config.hop_length, self.config.n_fft
        num_samples = magnitude.shape[-1] * hop_length
        # librosa centres frame n at n hops. The frames of "same" padding lie half a hop later: one more frame in front,
        # a copy of the first, and a cut of half a hop bring both conventions onto librosa's grid.
        same = self.config.padding.startswith("same")
        start = hop_length - (n_fft // 2 - (n_fft - hop_length) // 2) if same else 0
        frames = F.pad(magnitude[None], (int(same), 1), mode="replicate")[0]
        signal = librosa.griffinlim(
            frames.double().numpy(),
            n_iter=self.iterations,
            hop_length=hop_length,
            win_length=self.config.window_length,
            n_fft=n_fft,
            momentum=self.momentum,
            random_state=seed,
        )
        return torch.from_numpy(signal[start : start + num_samples].astype(np.float32))


class World:
    """WORLD analysis-synthesis (Morise et al. 2016): Harvest, CheapTrick and D4C every 5 ms, nothing compressed.

    Its features are envelope and aperiodicity, one above the other: (B, 2 (n_fft / 2 + 1), F).

    Args:
        sample_rate: in Hz.

    Raises:
        MissingExtraError: if pyworld is not installed.
    """

    uses_f0 = True

    def __init__(self, sample_rate: int) -> None:
        optional_module("pyworld", "pyworld", "the WORLD baseline")
        self.sample_rate = sample_rate
        self.hop_length = round(_FRAME_SECONDS * sample_rate)

    @property
    def fingerprint(self) -> str:
        """One line that identifies the front end."""
        return f"WORLD envelope and aperiodicity {self.sample_rate} Hz hop={self.hop_length}"

    def analyze(self, audio: Tensor) -> dict[str, Tensor]:
        """Return ``features`` (B, 2 bins, F) and ``f0`` (B, 1, F) in Hz of audio (B, 1, T).

        A frame stands at each multiple of the hop, at the end too: F = T // hop_length + 1.

        Raises:
            DataError, ShapeError: for audio that cannot be used, see :mod:`vocoders.core.checks`.
        """
        audio = check_audio(audio, "B1T")
        items = [self._analyze(item[0].detach().cpu().double().numpy()) for item in audio]
        features, f0 = (torch.from_numpy(np.stack(part)) for part in zip(*items, strict=True))
        return {"features": features, "f0": f0[:, None]}

    def synthesize(
        self,
        features: Tensor | None = None,
        f0: Tensor | None = None,
        *,
        audio: Tensor | None = None,
        f0_scale: float = 1.0,
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> Tensor:
        """Return audio (B, 1, (F - 1) hop_length) of what :meth:`analyze` found, or for audio.

        Args:
            features: (B, 2 bins, F).
            f0: (B, 1, F) in Hz, 0 where unvoiced.
            audio: instead of both, (T,), (B, T) or (B, 1, T).
            f0_scale: factor on F0; the envelope stays.
            seed: there to make all systems callable alike: WORLD's excitation is deterministic.
            progress: called with the finished fraction.

        Raises:
            ConfigError: if ``f0_scale`` is not a positive number.
            DataError, ShapeError: for tensors that cannot be used, or features that are not those of :meth:`analyze`.
        """
        if audio is not None:
            found = self.analyze(_whole_frames(audio, self.hop_length))
            features, f0 = found["features"], found["f0"]
        if features is None or f0 is None:
            raise ShapeError("WORLD needs its own envelope, aperiodicity and f0; give audio, not the features of a mel")
        features = check_features(features, self._num_bands)
        f0 = scale_f0(check_f0(f0, features), f0_scale)
        items = [self._synthesize(*item) for item in zip(features, f0, strict=True)]
        if progress is not None:
            progress(1.0)
        return torch.stack(items)[:, None]

    def copy_synthesis(self, audio: Tensor, seed: int = 0) -> Tensor:
        """Return audio (B, 1, T) that was analysed and synthesised again."""
        return self.synthesize(audio=audio, seed=seed)[..., : audio.shape[-1]]

    @property
    def _num_bands(self) -> int:
        import pyworld

        return 2 * (pyworld.get_cheaptrick_fft_size(self.sample_rate) // 2 + 1)

    @property
    def _frame_milliseconds(self) -> float:
        return 1000 * self.hop_length / self.sample_rate

    def _analyze(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import pyworld

        f0, times = pyworld.harvest(samples, self.sample_rate, frame_period=self._frame_milliseconds)
        envelope = pyworld.cheaptrick(samples, f0, times, self.sample_rate)
        aperiodicity = pyworld.d4c(samples, f0, times, self.sample_rate)
        return np.concatenate([envelope, aperiodicity], axis=1).T.astype(np.float32), f0.astype(np.float32)

    def _synthesize(self, features: Tensor, f0: Tensor) -> Tensor:
        import pyworld

        frames = features.detach().cpu().double().numpy().T
        envelope, aperiodicity = (np.ascontiguousarray(half) for half in np.split(frames, 2, axis=1))
        pitch = f0.detach().cpu().double().numpy().reshape(-1)
        signal = pyworld.synthesize(pitch, envelope, aperiodicity, self.sample_rate, self._frame_milliseconds)
        num_samples = (len(pitch) - 1) * self.hop_length
        signal = np.pad(signal, (0, max(0, num_samples - len(signal))))[:num_samples]
        return torch.from_numpy(signal.astype(np.float32))


def _whole_frames(audio: Tensor, hop_length: int) -> Tensor:
    """Return audio as (B, 1, T), completed with silence to whole frames."""
    audio = check_mono(audio)
    return F.pad(audio, (0, -audio.shape[-1] % hop_length))
