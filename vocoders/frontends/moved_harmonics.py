"""Move the harmonics of a log-mel spectrogram to another F0, and keep its spectral envelope (ours, not published).

A mel with windows of 40 ms resolves the harmonics of most voices. A vocoder that is given this mel and another F0 gets
two pitches at once, and that of the mel is often the stronger one. Here the old harmonics are smoothed out, and new
ones take their place:

- The mean over a width of F0 removes all that repeats every F0 and keeps the envelope: the smoothing of CheapTrick
  (Morise 2015), with its mirror image below F0, where speech has no harmonic.
- The envelope is multiplied by the spectrum of a harmonic series of the new F0 and of noise, both flat.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from vocoders.core.chunking import chunk_spans, join_exact
from vocoders.frontends.envelope import MelEnvelope, flat_harmonics
from vocoders.frontends.mel import LogMel

__all__ = ["MovedHarmonics", "continuous_f0"]

# A change of F0 by this much, in octaves, replaces all of the harmonics; a smaller one replaces a part of them.
_WHOLE_CHANGE = 1 / 24
# Noise between the harmonics of voiced speech, relative to the mean magnitude: up to 2 kHz, and from 12 kHz.
_NOISE_LOW, _NOISE_HIGH = 0.1, 0.7


def continuous_f0(f0: Tensor) -> Tensor:
    """Return F0 (B, 1, F) with unvoiced frames interpolated between voiced ones; 0 for an item without any."""
    items = f0[:, 0].double().cpu().numpy()
    frames = np.arange(items.shape[-1])
    filled = [np.interp(frames, frames[item > 0], item[item > 0]) if (item > 0).any() else item for item in items]
    return torch.from_numpy(np.stack(filled))[:, None].to(f0)


class MovedHarmonics(nn.Module):
    """Move the harmonics of a log-mel from one F0 to another. A frame depends on ``context_frames`` on each side.

    Args:
        log_mel: front end of the mel.
    """

    centres: Tensor
    noise: Tensor

    def __init__(self, log_mel: LogMel) -> None:
        super().__init__()
        self.log_mel, mel = log_mel, log_mel.config
        self.unit = math.log(10) if mel.log == "log10" else 1.0
        self.envelope = MelEnvelope(mel, mel.n_fft // 2 + 1)
        self.context_frames = -(-mel.n_fft // mel.hop_length)
        frequency = torch.linspace(0, mel.sample_rate / 2, mel.n_fft // 2 + 1)
        noise = _NOISE_LOW + (_NOISE_HIGH - _NOISE_LOW) * ((frequency - 2000) / 10000).clamp(0, 1)
        self.register_buffer("noise", noise[:, None], persistent=False)
        self.register_buffer("centres", (self.envelope.centres / frequency[1])[:, None], persistent=False)

    def forward(self, features: Tensor, mel_f0: Tensor, f0: Tensor, chunk_frames: int = 2000) -> Tensor:
        """Return a log-mel with its harmonics at another F0. Frames of the same F0 stay as they are.

        Args:
            features: log-mel (B, n_mels, F).
            mel_f0: F0 of its harmonics, (B, 1, F) in Hz, 0 where unvoiced.
            f0: wanted F0, as ``mel_f0``.
            chunk_frames: frames that are computed at once; the result does not depend on them.
        """
        # Windows overlap, and trackers miss frames: unvoiced frames next to voiced ones contain harmonics too.
        old, new = continuous_f0(mel_f0), continuous_f0(f0)
        change = torch.log2(new.clamp(min=1.0) / old.clamp(min=1.0)).abs() / _WHOLE_CHANGE
        change = torch.where((mel_f0 > 0) & (f0 == 0), 1.0, change.clamp(max=1.0)) * (old > 0)
        if not change.any():
            return features
        hop, harmonics = self.log_mel.config.hop_length, flat_harmonics(f0, self.log_mel.config)
        spans = chunk_spans(features.shape[-1], chunk_frames, self.context_frames)

        def moved() -> Iterator[Tensor]:
            for span in spans:
                mel, *tracks = (x[..., span.start : span.stop] for x in (features, old, f0, new))
                yield self._move(mel, *tracks, harmonics[..., span.start * hop : span.stop * hop])

        return torch.where(change > 0, torch.lerp(features, join_exact(moved(), spans), change), features)

    def _move(self, features: Tensor, old: Tensor, f0: Tensor, new: Tensor, harmonics: Tensor) -> Tensor:
        envelope = self.smooth(features, old)
        moved = self._impose(envelope, harmonics)
        return torch.where(f0 > 0, moved + envelope - self.smooth(moved, new), envelope)

    def smooth(self, features: Tensor, f0: Tensor) -> Tensor:
        """Return a log-mel (B, n_mels, F) without the harmonics of ``f0`` (B, 1, F); where F0 is 0, it is unchanged."""
        spectrum = torch.exp(self.envelope(self.unit * features))
        bins = torch.arange(spectrum.shape[1], device=features.device)[None, :, None]
        width = f0 * (2 * (len(bins[0]) - 1) / self.log_mel.config.sample_rate)
        mirrored = _interpolate(spectrum, (width - bins).clamp(min=0))
        spectrum = spectrum + torch.where(bins < width, mirrored, 0.0)
        # The integral from 0 Hz is odd, as the spectrum is even.
        integral = torch.cumsum(spectrum, dim=1) - 0.5 * (spectrum + spectrum[:, :1])
        low, high = self.centres - width / 2, (self.centres + width / 2).clamp(max=bins.shape[1] - 1)
        area = _interpolate(integral, high) - torch.sign(low) * _interpolate(integral, low.abs())
        mean = torch.log((area / (high - low).clamp(min=1e-3)).clamp(min=1e-12)) + self.envelope.log_filter_sums
        return torch.where(f0 > 0, mean / self.unit, features)

    def _impose(self, envelope: Tensor, harmonics: Tensor) -> Tensor:
        """Return the log-mel of flat harmonics (B, 1, F * hop_length) and noise with the envelope of a log-mel."""
        config = self.log_mel.config
        power = self.log_mel.complex_spectrum(harmonics).abs() ** 2
        excitation = torch.sqrt((1 - self.noise**2) * power + self.noise**2)
        shaped = excitation**config.power * torch.exp(self.envelope(self.unit * envelope))
        return torch.log(torch.matmul(self.log_mel.basis, shaped).clamp(min=config.floor)) / self.unit


def _interpolate(values: Tensor, position: Tensor) -> Tensor:
    """Return values (B, G, F) at fractional positions (B, M, F) from 0 to G - 1, interpolated linearly."""
    below = position.floor().clamp(max=values.shape[1] - 2)
    index = below.long().expand(values.shape[0], -1, -1)
    return torch.lerp(values.gather(1, index), values.gather(1, index + 1), position - below)
