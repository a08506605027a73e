"""Baselines that give every table a floor: Griffin-Lim from the same mel, and WORLD analysis-synthesis.

Both are systems like a trained vocoder, with a ``sample_rate`` and ``copy_synthesis``, and need no training.
"""

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.metrics.metric import optional_module
from vocoders.core.errors import ShapeError
from vocoders.frontends.mel import LogMel, MelConfig

__all__ = ["GriffinLim", "World"]


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
            return {"features": self.front_end(audio)}

    def synthesize(self, features: Tensor, seed: int = 0) -> Tensor:
        """Return audio (B, 1, F * hop_length) for log-mels (B, n_mels, F); equal seeds give equal audio."""
        if features.ndim != 3 or features.shape[1] != self.config.n_mels:
            raise ShapeError(f"features of shape {tuple(features.shape)}; expected (B, {self.config.n_mels}, F)")
        return torch.stack([self._invert(item, seed) for item in self._linear_spectrum(features)])[:, None]

    def copy_synthesis(self, audio: Tensor, seed: int = 0) -> Tensor:
        """Return audio (B, 1, T) that was analysed and synthesised again."""
        num_samples = audio.shape[-1]
        padded = F.pad(audio, (0, -num_samples % self.hop_length))
        return self.synthesize(self.analyze(padded)["features"], seed=seed)[..., :num_samples]

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

    Args:
        sample_rate: in Hz.

    Raises:
        MissingExtraError: if pyworld is not installed.
    """

    def __init__(self, sample_rate: int) -> None:
        optional_module("pyworld", "pyworld", "the WORLD baseline")
        self.sample_rate = sample_rate

    def copy_synthesis(self, audio: Tensor, seed: int = 0) -> Tensor:
        """Return audio (B, 1, T) that was analysed and synthesised again.

        ``seed`` is there to make all systems callable alike: WORLD's excitation is deterministic.
        """
        if audio.ndim != 3 or audio.shape[1] != 1:
            raise ShapeError(f"audio of shape {tuple(audio.shape)}; expected (B, 1, T)")
        return torch.stack([self._copy(item[0]) for item in audio])[:, None]

    def _copy(self, audio: Tensor) -> Tensor:
        import pyworld

        samples = audio.detach().cpu().double().numpy()
        f0, times = pyworld.harvest(samples, self.sample_rate)
        envelope = pyworld.cheaptrick(samples, f0, times, self.sample_rate)
        aperiodicity = pyworld.d4c(samples, f0, times, self.sample_rate)
        signal = pyworld.synthesize(f0, envelope, aperiodicity, self.sample_rate)
        # WORLD's length is a whole number of frames.
        signal = np.pad(signal, (0, max(0, len(samples) - len(signal))))[: len(samples)]
        return torch.from_numpy(signal.astype(np.float32))
