"""The spectral envelope of speech where a mel has no bands (ours, not published).

A mel from 80 to 7600 Hz says nothing about the rest of the spectrum, but speech does: a fricative that is loud at
7 kHz is loud at 10 kHz, and there is little below the lowest harmonic. The logarithms of the mean magnitudes in
100 bands of speech are described by one Gaussian distribution. The unknown bands are its conditional mean, given the
known ones:

    E[u | k] = mean_u + C_uk (C_kk + r I)^-1 (k - mean_k)

Mean and covariance C were measured on speech of many voices and recordings by ``ondes mel envelope``.
"""

import math
from functools import lru_cache
from pathlib import Path
from typing import Literal

import librosa
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from vocoders.core.atomic import atomic_file
from vocoders.core.errors import CheckpointError
from vocoders.frontends.mel import LogMel, MelConfig

__all__ = ["ENVELOPE_MEL", "Beyond", "SpeechEnvelope", "magnitude_scale"]

Beyond = Literal["speech", "silence"]
"""What is outside of the bands of a mel: the most probable envelope of speech, or nothing."""

ENVELOPE_MEL = MelConfig(sample_rate=24000, n_fft=1024, hop_length=240, n_mels=100, fmax=12000.0)
"""The mel whose bands the statistics have."""

_FILE = Path(__file__).parent / "weights" / "speech-envelope.safetensors"
# Deviation in nepers of what the bands do not say about each other; it keeps the solution stable.
_RIDGE = 1e-2
# Fall beyond the highest band, in nepers per octave (12 dB).
_FALL = 1.4
_LOWEST = math.log(1e-9)


class SpeechEnvelope:
    """Gaussian distribution of the logarithm of the mean magnitude in each band of :data:`ENVELOPE_MEL`.

    Args:
        mean: (100,).
        covariance: (100, 100).
    """

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        self.mean, self.covariance = mean.double(), covariance.double()
        edges = librosa.mel_frequencies(ENVELOPE_MEL.n_mels + 2, fmin=0, fmax=ENVELOPE_MEL.top_frequency)
        self._edges = torch.from_numpy(edges)

    @classmethod
    def measure(cls, audio: list[Tensor]) -> "SpeechEnvelope":
        """Return the distribution of the frames of audio (T,) at 24 kHz; every item counts by its length."""
        log_mel = LogMel(ENVELOPE_MEL)
        sums = log_mel.basis.sum(dim=1, keepdim=True)
        frames = torch.cat([log_mel(item[None])[0] - sums.log() for item in audio], dim=1).double()
        return cls(frames.mean(dim=1), torch.cov(frames))

    @classmethod
    def shipped(cls) -> "SpeechEnvelope":
        """Return the distribution that ships with ondes.

        Raises:
            CheckpointError: if its file is missing or damaged.
        """
        return _shipped()

    def save(self, path: str | Path) -> None:
        """Write mean and covariance as safetensors."""
        tensors = {"mean": self.mean.float(), "covariance": self.covariance.float()}
        with atomic_file(path) as temporary:
            temporary.write_bytes(save(tensors, metadata={"mel": ENVELOPE_MEL.fingerprint}))

    def extend(self, log_magnitude: Tensor, hertz: Tensor, fmin: float, fmax: float, beyond: Beyond) -> Tensor:
        """Return log magnitudes (B, bins, F) with those below ``fmin`` and above ``fmax`` replaced.

        Args:
            log_magnitude: natural logarithm, on the scale of :data:`ENVELOPE_MEL` (see :func:`magnitude_scale`).
            hertz: (bins,) frequencies, rising from 0.
            fmin: lowest frequency that is known, in Hz.
            fmax: highest.
            beyond: the most probable envelope of speech, or silence.
        """
        outside = (hertz < fmin) | (hertz > fmax)
        low, centre, high = (self._edges[n : len(self._edges) - 2 + n] for n in range(3))
        known = (low >= fmin - 1e-3) & (high <= fmax + 1e-3)
        if beyond == "silence" or not outside.any() or not known.any():
            return torch.where(outside[:, None], _LOWEST, log_magnitude)
        bands = self._complete(_band_means(log_magnitude, hertz, low, centre, high), known)
        completed = torch.matmul(_between(centre, hertz).to(log_magnitude), bands.to(log_magnitude))
        completed = completed - _FALL * torch.log2((hertz / centre[-1]).clamp(min=1.0)).to(completed)[:, None]
        inner = centre[known]
        replaced = hertz > (fmax if known[-1] else float(inner[-1]))
        if not known[0]:
            replaced |= hertz < inner[0]
        return torch.where(replaced[:, None], completed, log_magnitude)

    def _complete(self, bands: Tensor, known: Tensor) -> Tensor:
        """Return bands (B, 100, F) with the unknown ones replaced by their conditional mean."""
        own, cross = self.covariance[known][:, known], self.covariance[known][:, ~known]
        weights = torch.linalg.solve(own + _RIDGE * torch.eye(len(own), dtype=own.dtype), cross)
        deviation = bands[:, known].double() - self.mean[known][:, None]
        completed = bands.double().clone()
        completed[:, ~known] = torch.matmul(weights.T, deviation) + self.mean[~known][:, None]
        return completed


def magnitude_scale(source: MelConfig, target: MelConfig) -> float:
    """Return the logarithm of the mean magnitude of speech in the target's analysis over that in the source's.

    It is that of noise: proportional to the root of the sample rate and of the window length. Sustained harmonics
    would be proportional to the rate alone (:func:`vocoders.frontends.envelope.flat_excitation_levels`), but the F0 of
    speech moves within a window.
    """
    samples = target.sample_rate * target.window_length / (source.sample_rate * source.window_length)
    return 0.5 * math.log(samples)


@lru_cache(maxsize=1)
def _shipped() -> SpeechEnvelope:
    try:
        tensors = load_file(_FILE)
        return SpeechEnvelope(tensors["mean"], tensors["covariance"])
    except Exception as error:  # safetensors has no common error
        raise CheckpointError(f"{_FILE}: missing or damaged ({error}); install ondes again") from None


def _band_means(log_magnitude: Tensor, hertz: Tensor, low: Tensor, centre: Tensor, high: Tensor) -> Tensor:
    """Return the logarithm of the mean magnitude in triangular bands, (B, bands, F)."""
    rise = (hertz[None] - low[:, None]) / (centre - low)[:, None]
    fall = (high[:, None] - hertz[None]) / (high - centre)[:, None]
    weights = torch.minimum(rise, fall).clamp(min=0)
    # Narrow bands between two bins take both.
    weights = torch.where(weights.sum(dim=1, keepdim=True) > 0, weights, _between(hertz, centre))
    weights = (weights / weights.sum(dim=1, keepdim=True)).to(log_magnitude)
    return torch.log(torch.matmul(weights, log_magnitude.exp()).clamp(min=math.exp(_LOWEST)))


def _between(knots: Tensor, places: Tensor) -> Tensor:
    """Return the matrix (places, knots) of linear interpolation, with the ends held."""
    upper = torch.searchsorted(knots, places).clamp(1, len(knots) - 1)
    weight = ((places - knots[upper - 1]) / (knots[upper] - knots[upper - 1])).clamp(0, 1)
    matrix = torch.zeros(len(places), len(knots), dtype=torch.float64)
    rows = torch.arange(len(places))
    matrix[rows, upper - 1] = 1 - weight
    matrix[rows, upper] += weight
    return matrix
