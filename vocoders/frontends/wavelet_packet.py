"""Wavelet packets: a signal as 2^n bands of equal width, with exact inverse.

The wavelet transform splits the low band again and again; wavelet packets split every band (Coifman & Wickerhauser
1992). In periodic mode T samples become 2^n bands of T / 2^n samples. The halves of a high band are mirrored in
frequency, so ascending frequency orders the bands by the Gray code (0, 1, 3, 2 in natural order for four bands).
"""

import torch
from torch import Tensor, nn

from vocoders.core.errors import ShapeError
from vocoders.frontends.wavelet import FilterBank, WaveletConfig

__all__ = ["WaveletPacket"]


class WaveletPacket(nn.Module):
    """Split into 2^levels bands, and the inverse.

    With periodic borders and T a multiple of the number of bands, K = T / bands; orthogonal wavelets keep the energy.

    Shape:
        ``forward``: (..., C, T) -> (..., C * bands, K), the bands of a channel side by side; audio (B, 1, T) becomes
        sub-bands (B, bands, K). A vector (T,) becomes (bands, K).
        ``inverse``: (..., C * bands, K) -> (..., C, T).
    """

    natural_of_frequency: Tensor
    frequency_of_natural: Tensor

    def __init__(self, config: WaveletConfig) -> None:
        super().__init__()
        self.config = config
        self.num_bands = 2**config.levels
        self.bank = FilterBank(config)
        position = torch.arange(self.num_bands)
        gray = position ^ (position >> 1)
        self.register_buffer("natural_of_frequency", gray, persistent=False)
        self.register_buffer("frequency_of_natural", gray.argsort(), persistent=False)

    def band_length(self, length: int) -> int:
        """Return K, the number of samples in each band of a signal of ``length`` samples."""
        return self._lengths(length)[-1]

    def forward(self, signal: Tensor) -> Tensor:
        """Split ``signal`` (..., C, T) into bands (..., C * bands, K)."""
        if signal.dim() == 1:
            signal = signal[None]
        bands = signal[..., None, :]
        for _ in range(self.config.levels):
            split = self.bank(bands)
            # Not flatten(): an export would take the length for a constant.
            bands = split.reshape(*split.shape[:-3], -1, split.shape[-1])
        if self.config.order == "frequency":
            bands = bands.index_select(-2, self.natural_of_frequency)
        return bands.reshape(*bands.shape[:-3], -1, bands.shape[-1])

    def inverse(self, bands: Tensor, length: int | None = None) -> Tensor:
        """Join ``bands`` (..., C * bands, K) to a signal (..., C, T).

        Args:
            bands: as returned by :meth:`forward`.
            length: T. Default: the longest signal with bands of this length, K * bands in periodic mode.

        Raises:
            ShapeError: if the number of bands, or their length for a signal of ``length`` samples, is wrong.
        """
        if bands.dim() < 2 or bands.shape[-2] % self.num_bands:
            raise ShapeError(f"bands of shape {tuple(bands.shape)}; expected (..., channels * {self.num_bands}, K)")
        if length is None:
            length = bands.shape[-1]
            for _ in range(self.config.levels):
                length = self.bank.longest_length(length)
        lengths = self._lengths(length)
        if length < 1 or lengths[-1] != bands.shape[-1]:
            raise ShapeError(f"bands of {bands.shape[-1]} samples for a signal of {length}; expected {lengths[-1]}")
        bands = bands.reshape(*bands.shape[:-2], -1, self.num_bands, bands.shape[-1])
        if self.config.order == "frequency":
            bands = bands.index_select(-2, self.frequency_of_natural)
        for target in reversed(lengths[:-1]):
            pairs = bands.reshape(*bands.shape[:-2], -1, 2, bands.shape[-1])
            bands = self.bank.inverse(pairs, target)
        return bands.squeeze(-2)

    def _lengths(self, length: int) -> list[int]:
        """Return the lengths of the signal and of the bands after each level."""
        lengths = [length]
        for _ in range(self.config.levels):
            lengths.append(self.bank.band_length(lengths[-1]))
        return lengths
