"""Move the harmonics of a log-mel spectrogram to another F0, and keep its spectral envelope (ours, not published).

A mel with windows of 40 ms resolves the harmonics of most voices. A vocoder that is given this mel and another F0 gets
two pitches at once, and that of the mel is often the stronger one. Here the old harmonics are smoothed out, and new
ones take their place:

- The mean over a width of F0 removes all that repeats every F0 and keeps the envelope: the smoothing of CheapTrick
  (Morise 2015), with its mirror image below F0, where speech has no harmonic.
- The envelope is multiplied by the spectrum of a harmonic series of the new F0 and of noise, both flat, where the old
  mel shows harmonics. It does not show them everywhere: trackers find F0 in breath and in fricatives too.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.chunking import chunk_spans, join_exact
from vocoders.frontends.envelope import MelEnvelope
from vocoders.frontends.lowest_harmonic import hann_lobe
from vocoders.frontends.mel import LogMel

__all__ = ["MovedHarmonics"]

# A change of F0 by this much, in octaves, replaces all of the harmonics; a smaller one replaces a part of them.
_WHOLE_CHANGE = 1 / 24
# Noise between the harmonics of voiced speech, relative to the mean magnitude: up to 3 kHz, and from 12 kHz. Below F0
# it falls with the square of the frequency.
_NOISE_LOW, _NOISE_HIGH = 0.05, 0.6
# The depth of the old harmonics is measured over so many bands and frames. Where harmonics are too close to be seen, up
# to this power of their ripple in square nepers, the depth is that of the whole frame.
_BANDS, _FRAMES, _VISIBLE = 17, 5, 0.1
# This part of the expected depth, or more, counts as harmonics alone: noise and gliding F0 fill the valleys too.
_WHOLE_DEPTH = 1 / 3
# Harmonics on each side that contribute to a bin.
_NEIGHBOURS = 2


class MovedHarmonics(nn.Module):
    """Move the harmonics of a log-mel from one F0 to another. A frame depends on ``context_frames`` on each side.

    Args:
        log_mel: front end of the mel.
    """

    centres: Tensor
    frequency: Tensor
    noise: Tensor

    def __init__(self, log_mel: LogMel) -> None:
        super().__init__()
        self.log_mel, mel = log_mel, log_mel.config
        self.unit = math.log(10) if mel.log == "log10" else 1.0
        self.envelope = MelEnvelope(mel, mel.n_fft // 2 + 1)
        self.reach = -(-mel.n_fft // mel.hop_length)
        self.context_frames = self.reach + _FRAMES // 2
        frequency = torch.linspace(0, mel.sample_rate / 2, mel.n_fft // 2 + 1)[:, None]
        noise = _NOISE_LOW + (_NOISE_HIGH - _NOISE_LOW) * ((frequency - 3000) / 9000).clamp(0, 1)
        self.register_buffer("frequency", frequency, persistent=False)
        self.register_buffer("noise", noise, persistent=False)
        self.register_buffer("centres", self.envelope.centres[:, None] / frequency[1], persistent=False)

    def forward(self, features: Tensor, mel_f0: Tensor, f0: Tensor, chunk_frames: int = 2000) -> Tensor:
        """Return a log-mel with its harmonics at another F0. Frames of the same F0 stay as they are.

        Args:
            features: log-mel (B, n_mels, F).
            mel_f0: F0 of its harmonics, (B, 1, F) in Hz, 0 where unvoiced.
            f0: wanted F0, as ``mel_f0``.
            chunk_frames: frames that are computed at once; the result does not depend on them.
        """
        # Windows overlap, and trackers miss frames: unvoiced frames next to voiced ones contain harmonics too.
        old, new = (self._spread(x) for x in (mel_f0, f0))
        change = torch.log2(new.clamp(min=1.0) / old.clamp(min=1.0)).abs() / _WHOLE_CHANGE
        change = torch.where(new > 0, change.clamp(max=1.0), 1.0) * (old > 0)
        if not change.any():
            return features
        spans = chunk_spans(features.shape[-1], chunk_frames, _FRAMES // 2)

        def moved() -> Iterator[Tensor]:
            for span in spans:
                yield self._move(*(x[..., span.start : span.stop] for x in (features, old, f0, new)))

        return torch.where(change > 0, torch.lerp(features, join_exact(moved(), spans), change), features)

    def remade(self, features: Tensor, f0: Tensor) -> Tensor:
        """Return a log-mel with its own harmonics, smoothed out and imposed again; unvoiced parts stay."""
        near = self._spread(f0)
        return torch.where(near > 0, self._move(features, near, f0, near), features)

    def _spread(self, f0: Tensor) -> Tensor:
        """Return F0 with the nearest voiced value in unvoiced frames up to ``reach`` away."""
        for _ in range(self.reach):
            f0 = torch.where(f0 > 0, f0, F.max_pool1d(f0, 3, stride=1, padding=1))
        return f0

    def _move(self, features: Tensor, old: Tensor, f0: Tensor, new: Tensor) -> Tensor:
        envelope = self.smooth(features, old)
        expected, imposed = self._ripple(envelope, old, old), self._ripple(envelope, f0, new)
        return torch.where(f0 > 0, envelope + _depth(features - envelope, expected) * imposed, envelope)

    def _ripple(self, envelope: Tensor, f0: Tensor, near: Tensor) -> Tensor:
        """Return what harmonics of ``f0`` add to a smooth log-mel; ``near``: F0 of the nearest voiced frames."""
        imposed = self._impose(envelope, f0)
        return imposed - self.smooth(imposed, near)

    def smooth(self, features: Tensor, f0: Tensor) -> Tensor:
        """Return a log-mel (B, n_mels, F) without the harmonics of ``f0`` (B, 1, F); where F0 is 0, it is unchanged."""
        # Differences of an integral over 60 dB of tilt need double precision.
        spectrum = torch.exp(self.envelope(self.unit * features)).double()
        bins = torch.arange(spectrum.shape[1], device=features.device)[None, :, None]
        width = f0.double() * (2 * (len(bins[0]) - 1) / self.log_mel.config.sample_rate)
        mirrored = _interpolate(spectrum, (width - bins).clamp(min=0))
        spectrum = spectrum + torch.where(bins < width, mirrored, 0.0)
        # The integral from 0 Hz is odd, as the spectrum is even.
        integral = torch.cumsum(spectrum, dim=1) - 0.5 * (spectrum + spectrum[:, :1])
        low, high = self.centres - width / 2, (self.centres + width / 2).clamp(max=bins.shape[1] - 1)
        area = _interpolate(integral, high) - torch.sign(low) * _interpolate(integral, low.abs())
        mean = torch.log((area / (high - low).clamp(min=1e-3)).clamp(min=1e-12)).to(features.dtype)
        mean = mean + self.envelope.log_filter_sums
        return torch.where(f0 > 0, mean / self.unit, features)

    def _impose(self, envelope: Tensor, f0: Tensor) -> Tensor:
        """Return the log-mel of harmonics at ``f0`` and noise with the envelope of a smooth log-mel."""
        config, f0 = self.log_mel.config, f0.clamp(min=1.0)
        noise = (self.noise * (self.frequency / f0).clamp(max=1.0) ** 2) ** 2
        excitation = torch.sqrt((1 - noise) * self._harmonics(f0) + noise)
        shaped = excitation**config.power * torch.exp(self.envelope(self.unit * envelope))
        return torch.log(torch.matmul(self.log_mel.basis, shaped).clamp(min=config.floor)) / self.unit

    def _harmonics(self, f0: Tensor) -> Tensor:
        """Return the power (B, n_fft // 2 + 1, F) of a flat series of harmonics, whose mean magnitude is 1.

        A harmonic is the transform of the Hann window, sinc(x) / (1 - x^2) with x in units of sample rate / window
        length; its magnitudes add up to twice its peak.
        """
        config = self.log_mel.config
        width = config.sample_rate / config.window_length
        nearest = torch.round(self.frequency / f0)
        power = torch.zeros_like(nearest)
        for neighbour in range(-_NEIGHBOURS, _NEIGHBOURS + 1):
            number = nearest + neighbour
            x = (self.frequency - number * f0) / width
            power += torch.where(number > 0, hann_lobe(x) ** 2, 0.0)
        return power * (f0 / (2 * width)) ** 2


def _depth(ripple: Tensor, expected: Tensor) -> Tensor:
    """Return the depth, 0 to 1, that a ripple (B, n_mels, F) has of the expected one, by local least squares."""
    size, padding = (_BANDS, _FRAMES), (_BANDS // 2, _FRAMES // 2)
    product, power = (F.avg_pool2d(x, size, stride=1, padding=padding) for x in (ripple * expected, expected**2))
    whole = product.mean(1, keepdim=True) / power.mean(1, keepdim=True).clamp(min=1e-3)
    return ((product + _VISIBLE * whole) / (power + _VISIBLE) / _WHOLE_DEPTH).clamp(0, 1)


def _interpolate(values: Tensor, position: Tensor) -> Tensor:
    """Return values (B, G, F) at fractional positions (B, M, F) from 0 to G - 1, interpolated linearly."""
    below = position.floor().clamp(max=values.shape[1] - 2)
    index = below.long().expand(values.shape[0], -1, -1)
    return torch.lerp(values.gather(1, index), values.gather(1, index + 1), position - below)
