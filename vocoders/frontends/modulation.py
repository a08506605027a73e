"""Modulations of a waveform at the rate of the pitch: how its bands beat within each period of a voice."""

import torch
from torch import Tensor, nn

from vocoders.core.errors import ShapeError

__all__ = ["ModulationSpectrum"]

# Edges of the bands in Hz. Windows of 5.3 ms cannot separate the harmonics in them, so pulses show as beats.
_BANDS = (750.0, 1500.0, 2250.0, 3000.0, 4000.0, 5000.0, 6500.0, 8500.0, 11000.0)
# Windows of 5.3 ms every millisecond follow the periods of most voices.
_WINDOW_SECONDS, _HOP_SECONDS = 128 / 24000, 1e-3
# Modulations are measured in windows of 64 ms every 16 ms, in bins of 15.6 Hz: from 62 to 422 Hz.
_FRAMES, _STEP = 64, 16
_RATES = slice(4, 28)
# White noise has some 0.1 of depth; below a hundredth nothing is heard.
_SILENT = 1e-4
# 140 dB below full scale there is no sound.
_FLOOR = 1e-7


class ModulationSpectrum(nn.Module):
    """Magnitudes of the modulations of bands above 750 Hz, relative to the mean of the band.

    They do not depend on the level of the band nor on the position of the pulses.

    Args:
        sample_rate: in Hz; bands above half of it are left out.

    Attributes:
        shortest: fewest samples that can be measured, 68 ms.

    Shape:
        (B, T) -> modulations (B, bands, windows, 24), means of the bands (B, bands, windows).
    """

    window: Tensor
    bands: Tensor
    taper: Tensor

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        size, self.hop_length = round(_WINDOW_SECONDS * sample_rate), round(_HOP_SECONDS * sample_rate)
        self.shortest = size + (_FRAMES - 1) * self.hop_length
        frequencies = torch.arange(size // 2 + 1) * sample_rate / size
        edges = torch.tensor(_BANDS)[:, None]
        bands = ((frequencies >= edges[:-1]) & (frequencies < edges[1:])).float()
        self.register_buffer("bands", bands[bands.any(1)], persistent=False)
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        self.register_buffer("taper", torch.hann_window(_FRAMES) / _FRAMES, persistent=False)

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return modulations and means.

        Raises:
            ShapeError: if the audio is shorter than ``shortest``.
        """
        if audio.shape[-1] < self.shortest:
            raise ShapeError(f"audio of {audio.shape[-1]} samples; modulations need at least {self.shortest}")
        size = self.window.numel()
        spectrum = torch.fft.rfft(audio.unfold(-1, size, self.hop_length) * self.window.to(audio)).abs()
        levels = (spectrum @ self.bands.T.to(audio)).transpose(-1, -2) + _FLOOR * size
        windows = levels.unfold(-1, _FRAMES, _STEP)
        mean = windows.mean(-1, keepdim=True)
        modulations = torch.fft.rfft((windows / mean - 1) * self.taper.to(audio)).abs()
        return modulations[..., _RATES], mean[..., 0]

    @staticmethod
    def energy(modulations: Tensor) -> Tensor:
        """Return the energy of modulations, (..., 24) -> (...), and what is never heard beside it."""
        return modulations.square().sum(-1) + _SILENT
