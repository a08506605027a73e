"""The bands of PeriodWave-MB: wavelet packets, their scales, and their energies from the mel."""

import math

import librosa
import torch
from torch import Tensor, nn

from vocoders.core.errors import ConfigError
from vocoders.frontends.energy import relative_energy
from vocoders.frontends.wavelet import WaveletConfig
from vocoders.frontends.wavelet_packet import WaveletPacket
from vocoders.periodwave.multiband_config import PeriodWaveMBConfig

__all__ = ["Bands"]


class Bands(nn.Module):
    """Split audio into bands of comparable level, and join them without error.

    The borders are periodic, so that T samples become exactly T coefficients, and white noise remains white noise.

    The commonest error of a network, a constant offset, becomes a tone at the band edge that corresponds to frequency
    zero within the band. In a wavelet packet these edges coincide in pairs: for the second and the third of four bands
    both are at a quarter of the sample rate. Changing the sign of every other coefficient mirrors a band in frequency.
    Here each band above the lowest has its zero at the upper edge, so that no edge is shared and the last one is at
    half the sample rate.

    Shape:
        ``forward``: audio (B, 1, T) -> (B, bands, T / bands) in ascending frequency; ``inverse`` undoes it.
    """

    scales: Tensor

    def __init__(self, config: PeriodWaveMBConfig) -> None:
        super().__init__()
        self.config = config
        self.packet = WaveletPacket(WaveletConfig(wavelet=config.wavelet, levels=config.levels))
        self.mel_bins = _mel_bins(config) if config.condition == "mel" else []
        scales = config.band_scales or [math.sqrt(self._share(band)) for band in range(config.num_bands)]
        self.register_buffer("scales", torch.tensor(scales).view(1, -1, 1), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Split ``audio``; its length is a multiple of the number of bands."""
        return _turn_over(self.packet(audio)) / self.scales

    def of_clip(self, audio: Tensor) -> Tensor:
        """Split a clip from a longer signal, extended by its mirror image instead of periodically.

        The result differs from that of :meth:`forward` only near the ends. There, the step from the end of the clip to
        its beginning would be a click that is not in the mel, 5 dB above the speech in the bands from 3 kHz up
        (``sym10``).
        """
        return self(torch.cat([audio, audio.flip(-1)], dim=-1))[..., : audio.shape[-1] // self.config.num_bands]

    def inverse(self, bands: Tensor) -> Tensor:
        """Join ``bands``."""
        return self.packet.inverse(_turn_over(bands * self.scales))

    def noise(self, noise: Tensor) -> Tensor:
        """Split standard normal ``noise`` (B, 1, T) into standard normal noise of each band, (B, bands, K)."""
        return _turn_over(self.packet(noise))

    def deviation(self, features: Tensor, energy_range: Tensor) -> Tensor:
        """Return the deviation of each band's prior in units of its scale, (B, bands, F).

        The square of PeriodWave's energy is a sum over the mel bins, of which each band has a part. The deviation is
        the energy that the frame would have if all bins were as loud as those of the band. Multiplied by the square
        root of the band's share of the bins, the energies of the bands add up to PeriodWave's energy.

        Args:
            features: (B, n_mels, F) log-mel.
            energy_range: (2,) range of the energy of the whole mel in the training set.
        """
        config = self.config
        if config.energy is None:
            return torch.ones_like(features[:, :1]).expand(-1, config.num_bands, -1)
        logarithm = {"ln": math.log, "log10": math.log10, "log2": math.log2}[config.mel.log]
        parts = [
            relative_energy(
                features[:, bins] - logarithm(self._share(band)), config.energy, config.mel.log, energy_range
            )
            for band, bins in enumerate(self.mel_bins)
        ]
        return torch.cat(parts, dim=1)

    def _share(self, band: int) -> float:
        """Return the band's share of the mel bins; 1 without a mel."""
        if not self.mel_bins:
            return 1.0
        bins = self.mel_bins[band]
        return (bins.stop - bins.start) / self.config.mel.n_mels


def _turn_over(bands: Tensor) -> Tensor:
    """Mirror the bands whose zero frequency is at their lower edge, except the lowest; its own inverse."""
    band, place = (torch.arange(size, device=bands.device) for size in bands.shape[1:])
    mirrored = ((band > 0) & (band % 2 == 0))[:, None] & (place % 2 == 1)
    return torch.where(mirrored, -bands, bands)


def _mel_bins(config: PeriodWaveMBConfig) -> list[slice]:
    """Return the mel bins centred in each band; a band above the mel's range has those of the next lower band."""
    mel = config.mel
    centres = librosa.mel_frequencies(
        mel.n_mels + 2, fmin=mel.fmin, fmax=mel.top_frequency, htk=mel.scale == "htk"
    )[1:-1]  # fmt: skip
    width = config.sample_rate / 2 / config.num_bands
    edges = [int((centres < band * width).sum()) for band in range(config.num_bands)] + [len(centres)]
    bins = []
    for start, stop in zip(edges, edges[1:], strict=False):
        if stop == start and not bins:
            raise ConfigError(f"mel.fmin {mel.fmin:g}: no mel bin lies below {width:g} Hz, in the lowest band")
        bins.append(slice(start, stop) if stop > start else bins[-1])
    return bins
