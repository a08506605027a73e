"""Constant-Q transform by octaves: one set of kernels, and half the sample rate for each lower octave.

Source: Schoerkhuber and Klapuri, "Constant-Q transform toolbox for music processing" (SMC 2010), with the numbers of
the sub-band CQT discriminators (Gu et al., arXiv 2311.14957): zero padding, L1-normalised kernels, every bin scaled by
the square root of its kernel's length, and no resampling beforehand.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from vocoders.core.checks import check_audio
from vocoders.core.config import Config
from vocoders.core.errors import ShapeError

__all__ = ["ConstantQ", "ConstantQConfig", "OctaveLadder"]

_TAPS = 256
# Outputs of the low-pass filter computed by one row of a matrix product.
_BLOCK = 64


class ConstantQConfig(Config):
    """Everything that defines a constant-Q transform.

    Attributes:
        sample_rate: in Hz.
        hop_length: frame distance in samples, a multiple of 2^(num_octaves - 1).
        fmin: centre frequency of the lowest bin, in Hz.
        num_octaves: octaves from ``fmin`` upwards.
        bins_per_octave: bins in each octave.
    """

    sample_rate: int = Field(default=48000, gt=0)
    hop_length: int = Field(default=512, gt=0)
    fmin: float = Field(default=32.70, gt=0)
    num_octaves: int = Field(default=9, gt=0)
    bins_per_octave: int = Field(default=24, gt=0)

    @model_validator(mode="after")
    def _check(self) -> "ConstantQConfig":
        factor = 2 ** (self.num_octaves - 1)
        if self.hop_length % factor:
            raise ValueError(
                f"hop_length {self.hop_length} is not a multiple of {factor} for {self.num_octaves} octaves"
            )
        highest = self.frequencies[-1]
        if highest >= self.sample_rate / 2:
            raise ValueError(
                f"the highest bin lies at {highest:.0f} Hz, above half of {self.sample_rate} Hz; lower num_octaves"
            )
        return self

    @property
    def num_bins(self) -> int:
        """Bins in all octaves."""
        return self.num_octaves * self.bins_per_octave

    @property
    def frequencies(self) -> np.ndarray:
        """Centre frequency of each bin in Hz, from low to high."""
        return self.fmin * 2.0 ** (np.arange(self.num_bins) / self.bins_per_octave)

    @property
    def lengths(self) -> np.ndarray:
        """Length of each bin's kernel in samples at ``sample_rate``: the same number of periods for every bin."""
        quality = 1 / (2 ** (1 / self.bins_per_octave) - 1)
        return np.ceil(quality * self.sample_rate / self.frequencies)


class OctaveLadder(nn.Module):
    """A signal, and the same signal at half the sample rate, at a quarter, and so on.

    Args:
        num_octaves: number of signals.

    Shape:
        (B, T) -> ``num_octaves`` tensors (B, T // 2^k). The low-pass filter has an even number of taps, so each step
        delays by half a sample of its input.
    """

    bands: Tensor

    def __init__(self, num_octaves: int) -> None:
        super().__init__()
        self.num_octaves = num_octaves
        # The filter as a banded matrix that computes a block of outputs: ten times faster on a CPU than a convolution
        # of one channel, above all in the backward pass.
        taps = torch.from_numpy(_halfband_filter(_TAPS)).float()
        bands = torch.zeros(2 * _BLOCK + _TAPS - 2, _BLOCK)
        for output in range(_BLOCK):
            bands[2 * output : 2 * output + _TAPS, output] = taps
        self.register_buffer("bands", bands, persistent=False)

    def forward(self, signal: Tensor) -> list[Tensor]:
        """Return the signals from the highest to the lowest rate."""
        if signal.dim() != 2 or signal.shape[-1] < 2 ** (self.num_octaves - 1):
            raise ShapeError(
                f"signal of shape {tuple(signal.shape)}; expected (B, T) with at least {2 ** (self.num_octaves - 1)} "
                "samples"
            )
        signals = [signal]
        while len(signals) < self.num_octaves:
            signals.append(self._halve(signals[-1]))
        return signals

    def _halve(self, signal: Tensor) -> Tensor:
        length = signal.shape[-1] // 2
        left = (_TAPS - 1) // 2
        reach = (-(-length // _BLOCK) - 1) * 2 * _BLOCK + self.bands.shape[0]
        # A negative pad cuts samples that no output needs: at most the last one, of an odd number.
        padded = F.pad(signal, (left, reach - left - signal.shape[-1]))
        return (padded.unfold(-1, self.bands.shape[0], 2 * _BLOCK) @ self.bands).flatten(1)[:, :length]


class ConstantQ(nn.Module):
    """Constant-Q transform.

    Args:
        config: see :class:`ConstantQConfig`.

    Shape:
        audio (B, 1, T) or (B, T) -> real (B, num_bins, N), imaginary (B, num_bins, N), bins from low to high;
        N = T // hop_length + 1, frame n centred at sample n * hop_length.
    """

    basis: Tensor
    scale: Tensor

    def __init__(self, config: ConstantQConfig) -> None:
        super().__init__()
        self.config = config
        self.ladder = OctaveLadder(config.num_octaves)
        kernels = _octave_kernels(config)
        # Analysis: the conjugate of the kernels.
        basis = torch.from_numpy(np.concatenate([kernels.real, -kernels.imag])).float()
        scale = torch.from_numpy(np.sqrt(config.lengths)).float().view(config.num_octaves, 1, 1, -1)
        self.register_buffer("basis", basis.T.contiguous(), persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return the real and the imaginary part of the transform of ``audio``."""
        if not isinstance(audio, Tensor) or not audio.is_floating_point():
            audio = check_audio(audio, "BT", "B1T", dtype=self.basis.dtype)
        if audio.dim() == 3 and audio.shape[1] == 1:
            audio = audio[:, 0]
        slices = self.analyze(self.ladder(audio))
        real, imag = slices.permute(3, 0, 1, 4, 2).flatten(2, 3)
        return real, imag

    def analyze(self, signals: list[Tensor]) -> Tensor:
        """Return the transform of the signals of an :class:`OctaveLadder`, by octaves.

        Args:
            signals: ``num_octaves`` tensors (B, T // 2^k).

        Returns:
            (B, num_octaves, N, 2, bins_per_octave), octaves from low to high; the axis of 2 is real, imaginary.
        """
        size = self.basis.shape[0]
        # Hop and length halve together, so all octaves have the same number of frames and share one matrix product.
        frames = [
            F.pad(signal, (size // 2, size // 2)).unfold(-1, size, self.config.hop_length >> octave)
            for octave, signal in enumerate(signals)
        ]
        product = torch.stack(frames[::-1], dim=1) @ self.basis
        return product.unflatten(-1, (2, -1)) * self.scale


def _octave_kernels(config: ConstantQConfig) -> NDArray[np.complex128]:
    """Return the complex kernels of the highest octave, (bins_per_octave, n) with n a power of two."""
    lengths = config.lengths[-config.bins_per_octave :].astype(int)
    frequencies = config.frequencies[-config.bins_per_octave :]
    size = 2 ** math.ceil(math.log2(lengths.max()))
    kernels = np.zeros((config.bins_per_octave, size), dtype=np.complex128)
    for kernel, length, frequency in zip(kernels, lengths, frequencies, strict=True):
        time = np.arange(-length // 2, -length // 2 + length)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        atom = window * np.exp(2j * np.pi * frequency / config.sample_rate * time)
        # Time 0 is in the middle: an odd kernel begins one sample earlier.
        start = size // 2 - (length + 1) // 2
        kernel[start : start + length] = atom / np.abs(atom).sum()
    return kernels


def _halfband_filter(num_taps: int) -> np.ndarray:
    """Design a low-pass filter at half the Nyquist frequency by sampling its response (Hamming window)."""
    from scipy.signal import firwin2

    return np.asarray(firwin2(num_taps, [0, 0.5 / 1.001, 0.5 * 1.001, 1], [1, 1, 0, 0]))
