"""Bring a waveform nearer to the mel that it was made from (ours, not published).

A vocoder's output has a mel of its own, and it is not the one it was given. The difference can be taken away without
any training: scale the bins of the output's spectrum until their mel is the wanted one, go back to the time domain, and
repeat, since overlapping frames do not agree about the samples they share. Phases and harmonics stay the vocoder's.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.chunking import chunk_spans, join_exact
from vocoders.core.errors import ShapeError
from vocoders.frontends.mel import LogMel

__all__ = ["MelConsistency"]

# A bin is made louder or softer by no more than this factor in one iteration.
_LARGEST_RATIO = 30.0


class MelConsistency(nn.Module):
    """Move a waveform towards a log-mel spectrogram, keeping its phases.

    One iteration takes the STFT of the waveform, improves its magnitudes by multiplicative updates for the
    Kullback-Leibler divergence between wanted and present mel (Lee and Seung 2001, with the mel filters as the fixed
    factor), and goes back by the least-squares inverse STFT (Griffin and Lim 1984). What an iteration changes depends
    on less than ``context_frames`` frames on each side.

    Args:
        log_mel: the front end whose mel is wanted.
        updates: multiplicative updates of the magnitudes in each iteration.
        momentum: part of an iteration's change that is added once more, as in the fast Griffin-Lim algorithm
            (Perraudin et al. 2013); 16 iterations with 0.9 come as far as more than 32 without.

    Shape:
        audio (B, 1, F * hop_length), features (B, n_mels, F) -> (B, 1, F * hop_length).
    """

    def __init__(self, log_mel: LogMel, updates: int = 2, momentum: float = 0.9) -> None:
        super().__init__()
        self.log_mel, self.updates, self.momentum = log_mel, updates, momentum
        config = log_mel.config
        self.context_frames = -(-config.n_fft // config.hop_length)

    def forward(self, audio: Tensor, features: Tensor, iterations: int) -> Tensor:
        """Return ``audio`` after some iterations.

        Raises:
            ShapeError: if audio and features do not belong together.
        """
        config = self.log_mel.config
        batch, _, num_frames = features.shape
        if tuple(audio.shape) != (batch, 1, num_frames * config.hop_length):
            raise ShapeError(
                f"audio {tuple(audio.shape)}; expected {(batch, 1, num_frames * config.hop_length)} for these features"
            )
        wanted = torch.exp(features) if config.log == "ln" else 10**features
        signal = before = audio[:, 0].float()
        for _ in range(iterations):
            spectrum = self.log_mel.complex_spectrum(signal)
            now = self.inverse(spectrum * self._gain(spectrum, wanted), signal.shape[-1])
            signal, before = now + self.momentum * (now - before), now
        return before[:, None].to(audio)

    def in_chunks(self, audio: Tensor, features: Tensor, iterations: int, chunk_frames: int) -> Tensor:
        """Return what ``forward`` returns, in memory that does not grow with the length."""
        if iterations == 0:
            return audio
        hop = self.log_mel.config.hop_length
        spans = chunk_spans(features.shape[-1], chunk_frames, iterations * self.context_frames)
        parts = (
            self(audio[..., span.start * hop : span.stop * hop], features[..., span.start : span.stop], iterations)
            for span in spans
        )
        return join_exact(parts, spans, hop)

    def _gain(self, spectrum: Tensor, wanted: Tensor) -> Tensor:
        """Return the factor of each bin, (B, n_fft // 2 + 1, F)."""
        basis, power = self.log_mel.basis, self.log_mel.config.power
        present = spectrum.abs().clamp(min=1e-9) ** power
        sums = basis.sum(dim=0)[:, None]
        # Outside the range of the mel nothing is known: those bins stay as they are. (Rounding leaves a filter's last
        # bin a little above 0.)
        covered = sums > 1e-6 * sums.max()
        improved = present
        for _ in range(self.updates):
            ratio = wanted / torch.matmul(basis, improved).clamp(min=1e-9)
            ratio = torch.matmul(basis.T, ratio.clamp(1 / _LARGEST_RATIO, _LARGEST_RATIO)) / sums.clamp(min=1e-12)
            improved = torch.where(covered, improved * ratio, improved)
        return (improved / present) ** (1 / power)

    def inverse(self, spectrum: Tensor, length: int) -> Tensor:
        """Return the signal (B, length) whose STFT is nearest to ``spectrum``."""
        config = self.log_mel.config
        window = F.pad(self.log_mel.window, self._margins(config.n_fft - config.window_length))
        frames = torch.fft.irfft(spectrum, n=config.n_fft, dim=1) * window[:, None]
        weights = (window**2)[None, :, None].expand(1, -1, frames.shape[-1])
        summed, weight = self._overlap_add(frames), self._overlap_add(weights)
        left = (config.n_fft if config.padding.startswith("center") else config.n_fft - config.hop_length) // 2
        # Frames at n hops leave out what lies behind the last of them.
        wanted = left + length - summed.shape[-1]
        summed, weight = (F.pad(x, (0, max(0, wanted))) for x in (summed, weight))
        return (summed / weight.clamp(min=1e-3))[:, left : left + length]

    def _overlap_add(self, frames: Tensor) -> Tensor:
        config = self.log_mel.config
        length = (frames.shape[-1] - 1) * config.hop_length + config.n_fft
        return F.fold(frames, (1, length), (1, config.n_fft), stride=(1, config.hop_length))[:, 0, 0]

    @staticmethod
    def _margins(total: int) -> tuple[int, int]:
        return total // 2, total - total // 2
