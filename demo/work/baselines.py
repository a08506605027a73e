"""Vocoders that need no training: Griffin-Lim from the mel of PeriodWave, and WORLD."""

import librosa
import numpy as np
import pyworld
import torch
from torch import Tensor

from vocoders.frontends.mel import MEL_PRESETS, LogMel

__all__ = ["GriffinLim", "World"]


class GriffinLim:
    """Waveform from a mel by phase retrieval (Griffin and Lim 1984; fast form of Perraudin et al. 2013).

    Args:
        preset: name of the mel.
        iterations: updates of the phase.
    """

    def __init__(self, preset: str = "bigvgan_24k", iterations: int = 32) -> None:
        self.config, self.iterations = MEL_PRESETS[preset], iterations
        self._log_mel = LogMel(self.config)
        self._inverse = torch.linalg.pinv(self._log_mel.basis.double()).float()

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.config.sample_rate

    @torch.inference_mode()
    def synthesize(self, *, audio: Tensor, seed: int = 0) -> Tensor:
        """Return (1, 1, T) for audio (1, T), analysed and synthesised again; the seed draws the first phases."""
        hop, n_fft = self.config.hop_length, self.config.n_fft
        padded = torch.nn.functional.pad(audio, (0, -audio.shape[-1] % hop))
        mel = self._log_mel(padded[None])[0].exp()
        spectrum = (self._inverse @ mel).clamp(min=0)
        # The frames of this mel lie half a hop behind librosa's: one more in front, and a cut of half a hop.
        spectrum = torch.cat([spectrum[:, :1], spectrum, spectrum[:, -1:]], dim=1)
        signal = librosa.griffinlim(
            spectrum.numpy(), n_iter=self.iterations, hop_length=hop, n_fft=n_fft, random_state=seed
        )
        start = hop - (n_fft // 2 - (n_fft - hop) // 2)
        signal = np.pad(signal[start:], (0, hop))[: audio.shape[-1]]
        return torch.from_numpy(signal.astype(np.float32))[None, None]


class World:
    """Analysis and synthesis by WORLD (Morise et al. 2016), nothing compressed.

    Args:
        sample_rate: in Hz.
    """

    uses_f0 = True

    def __init__(self, sample_rate: int = 24000) -> None:
        self.sample_rate = sample_rate

    def analyze_f0(self, audio: Tensor) -> np.ndarray:
        """Return F0 in Hz every 5 ms, 0 where unvoiced, of audio (1, T)."""
        return pyworld.harvest(_samples(audio), self.sample_rate)[0]

    def synthesize(self, *, audio: Tensor, f0: np.ndarray, f0_scale: float = 1.0) -> Tensor:
        """Return (1, 1, T) for audio (1, T) and the F0 of :meth:`analyze_f0`, which is multiplied by ``f0_scale``."""
        samples = _samples(audio)
        times = 0.005 * np.arange(len(f0))
        envelope = pyworld.cheaptrick(samples, f0, times, self.sample_rate)
        aperiodicity = pyworld.d4c(samples, f0, times, self.sample_rate)
        signal = pyworld.synthesize(f0 * f0_scale, envelope, aperiodicity, self.sample_rate)
        # WORLD's length is a whole number of frames.
        signal = np.pad(signal, (0, max(0, len(samples) - len(signal))))[: len(samples)]
        return torch.from_numpy(signal.astype(np.float32))[None, None]


def _samples(audio: Tensor) -> np.ndarray:
    return np.ascontiguousarray(audio[0].numpy(), dtype=np.float64)
