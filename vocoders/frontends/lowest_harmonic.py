"""The lowest harmonic of a voice where a mel has no bands, or half of one (ours, not published).

Many mels begin at 80 Hz, where the first harmonic of a low voice is. It lies under the slope of the lowest filter, and
half of its lobe lies outside. Its frequency is F0, its shape is the transform of the window, and so its level follows
from the lowest bands by least squares, together with that of the second harmonic:

    mel_k = A1 g_k(F0) + A2 g_k(2 F0),    g_k(f): the mel of a sinusoid of frequency f
"""

import torch
from torch import Tensor

from vocoders.frontends.mel import LogMel

__all__ = ["add_lowest_harmonic", "hann_lobe"]

# Voices above have their first harmonic, and its lobe, inside the bands.
_HIGHEST_F0 = 150.0
# An F0 so far below the lowest band leaves nothing to measure.
_LOWEST_PART = 0.9
# The lobe replaces the spectrum up to here, relative to F0, and up to so many Hz above the lowest band.
_REACH, _REACH_HZ = 1.3, 120.0
# Spectrum around the lobe, relative to its peak: so soft that errors add no rumble.
_NOISE = 0.02
# Bands up to this frequency in Hz are measured.
_MEASURED = 450.0
# Keeps the level of the second harmonic stable where the bands hardly contain it.
_RIDGE = 0.01


def hann_lobe(offset: Tensor) -> Tensor:
    """Return the magnitude of the transform of a Hann window, 1 at the peak.

    Args:
        offset: distance from the peak in units of sample rate / window length.
    """
    # At 1 the quotient of two zeros is 1 / 2.
    one_off = (offset.abs() - 1).abs() < 1e-3
    return torch.where(one_off, 0.5, torch.sinc(offset) / torch.where(one_off, 1.0, 1 - offset**2)).abs()


def add_lowest_harmonic(magnitude: Tensor, mel: Tensor, f0: Tensor, log_mel: LogMel, gain: Tensor) -> Tensor:
    """Return a magnitude spectrum with the first harmonic of low voices instead of what is around ``fmin``.

    Args:
        magnitude: (B, bins, F), from 0 Hz in steps of sample rate / n_fft.
        mel: the mel without logarithm, (B, n_mels, F).
        f0: (B, 1, F) in Hz, 0 where unvoiced.
        log_mel: front end of the mel.
        gain: of a filter before the analysis, such as a pre-emphasis, (bins,); it is not part of ``magnitude``.
    """
    config = log_mel.config
    hertz = torch.arange(magnitude.shape[1], device=f0.device)[:, None] * (config.sample_rate / config.n_fft)
    width = config.sample_rate / config.window_length
    covered = log_mel.basis.shape[1]
    bands = log_mel.basis[log_mel.basis.argmax(dim=1) * (config.sample_rate / config.n_fft) < _MEASURED]

    def lobe(number: int) -> Tensor:
        return hann_lobe((hertz - number * f0.clamp(min=1.0)) / width)

    def seen(spectrum: Tensor) -> Tensor:
        return torch.matmul(bands, (spectrum * gain[:, None])[:, :covered] ** config.power)

    first = lobe(1)
    level = _first_level(mel[:, : len(bands)], seen(first), seen(lobe(2))) ** (1 / config.power)
    low_voice = (f0 > _LOWEST_PART * config.fmin) & (f0 < _HIGHEST_F0)
    replaced = low_voice & (hertz < _REACH * f0) & (hertz < config.fmin + _REACH_HZ)
    return torch.where(replaced, level * torch.sqrt(first**2 + _NOISE**2), magnitude)


def _first_level(mel: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return A1 (B, 1, F) by the least squares of this module; without A2 where A1 would be negative."""

    def product(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(dim=1, keepdim=True)

    own, other = product(first, first).clamp(min=1e-12), product(second, second) + _RIDGE * product(first, first)
    shared = product(first, second)
    both = other * product(first, mel) - shared * product(second, mel)
    both = both / (own * other - shared**2).clamp(min=1e-12)
    return torch.where(both > 0, both, product(first, mel) / own)
