"""Mel refinement: move the mel of a waveform towards a target mel (ours, not published).

The mel of a vocoder's output differs from its input mel. This difference can be reduced without training: scale the
bins of the output's spectrum until their mel matches the target, return to the time domain, and repeat, since
overlapping frames disagree about their common samples. The phases and harmonics remain those of the vocoder.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.chunking import chunk_spans, join_exact
from vocoders.core.errors import ShapeError
from vocoders.frontends.mel import LogMel, from_logarithm
from vocoders.frontends.mel_consistency_loops import Filters, Frames, iterate
from vocoders.frontends.refinement_steps import RefinementStep, sharpened

__all__ = ["LARGEST_RATIO", "MelConsistency"]

# Largest factor by which one iteration scales a bin up or down.
LARGEST_RATIO = 30.0


class MelConsistency(nn.Module):
    """Move a waveform towards a log-mel spectrogram, keeping its phases.

    One iteration takes the STFT of the waveform, improves its magnitudes by multiplicative updates for the
    Kullback-Leibler divergence between target mel and current mel (Lee and Seung 2001, with the mel filters as the
    fixed factor), and applies the least-squares inverse STFT (Griffin and Lim 1984). The result of an iteration depends
    on less than ``context_frames`` frames on each side.

    Closing steps (:mod:`vocoders.frontends.refinement_steps`) are the last iterations, where there are any: eight of
    them come as near as sixteen others, from a start that is near already. From noise they overshoot.

    Args:
        log_mel: front end of the target mel.
        updates: multiplicative updates of the magnitudes in each iteration.
        momentum: fraction of an iteration's change that is added again, as in the fast Griffin-Lim algorithm
            (Perraudin et al. 2013); 16 iterations with 0.9 are as good as more than 32 without.
        relaxation: factor of the step from a signal to its projection; above 1 it goes beyond, as in the accelerated
            algorithm of Nenov et al. (2023). 1.25, the best value there, overshoots from a start that is far away.
        closing: last steps, which replace as many iterations.

    Shape:
        audio (B, 1, F * hop_length), features (B, n_mels, F) -> (B, 1, F * hop_length).
    """

    def __init__(
        self,
        log_mel: LogMel,
        updates: int = 2,
        momentum: float = 0.9,
        relaxation: float = 1.15,
        closing: tuple[RefinementStep, ...] = (),
    ) -> None:
        super().__init__()
        self.log_mel = log_mel
        self.ordinary, self.closing = RefinementStep(relaxation, momentum, updates), closing
        config = log_mel.config
        self.context_frames = -(-config.n_fft // config.hop_length) + max((step.reach for step in closing), default=0)
        self._filters: tuple[Tensor, Filters] | None = None

    def forward(self, audio: Tensor, features: Tensor, iterations: int) -> Tensor:
        """Return ``audio`` after the given number of iterations.

        Raises:
            ShapeError: if audio and features do not belong together.
        """
        config = self.log_mel.config
        batch, _, num_frames = features.shape
        if tuple(audio.shape) != (batch, 1, num_frames * config.hop_length):
            raise ShapeError(
                f"audio {tuple(audio.shape)}; expected {(batch, 1, num_frames * config.hop_length)} for these features"
            )
        wanted = from_logarithm(features, config.log)
        refine = self._in_loops if self._has_loops(audio, wanted) else self._in_torch
        return refine(audio, wanted, self.steps(iterations))

    def steps(self, iterations: int) -> list[RefinementStep]:
        """Return the steps of a refinement of so many iterations: the closing ones are the last."""
        closing = self.closing[max(0, len(self.closing) - iterations) :]
        return [self.ordinary] * (iterations - len(closing)) + [*closing]

    def _in_torch(self, audio: Tensor, wanted: Tensor, steps: list[RefinementStep]) -> Tensor:
        """Return the result on any device, and with gradients."""
        signal = before = audio[:, 0].float()
        for step in steps:
            spectrum = self.log_mel.complex_spectrum(signal)
            projected = self.inverse(spectrum * self._gain(spectrum, wanted, step), signal.shape[-1])
            now = signal + step.relaxation * (projected - signal)
            signal, before = now + step.momentum * (now - before), now
        return before[:, None].to(audio)

    def _in_loops(self, audio: Tensor, wanted: Tensor, steps: list[RefinementStep]) -> Tensor:
        """Return the same numbers on a CPU, up to rounding."""
        config = self.log_mel.config
        window = F.pad(self.log_mel.window, self._margins(config.n_fft - config.window_length)).numpy()
        frames = Frames(window, config.hop_length, *self._edges, config.padding.endswith("reflect"))
        pairs = zip(audio[:, 0].detach().float(), wanted.detach().float(), strict=True)
        bands = self._bands()
        return torch.stack([iterate(*pair, bands, frames, steps, LARGEST_RATIO) for pair in pairs])[:, None].to(audio)

    def _bands(self) -> Filters:
        """Return the filters in bands, which are made once for each basis."""
        basis = self.log_mel.basis
        if self._filters is None or self._filters[0] is not basis:
            self._filters = basis, Filters.of(basis, self.log_mel.config.power)
        return self._filters[1]

    @property
    def _edges(self) -> tuple[int, int]:
        """Samples of padding before and after the audio in the STFT."""
        config = self.log_mel.config
        return self._margins(config.n_fft - (0 if config.padding.startswith("center") else config.hop_length))

    def _has_loops(self, audio: Tensor, wanted: Tensor) -> bool:
        """Return whether the compiled loops do: in float32 on a CPU, without gradients, for an even n_fft."""
        tensors = (audio, wanted, self.log_mel.basis)
        plain = all(tensor.device.type == "cpu" and tensor.dtype != torch.float64 for tensor in tensors)
        differentiates = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
        return plain and not differentiates and self.log_mel.config.n_fft % 2 == 0 and audio.shape[-1] > self._edges[1]

    def in_chunks(self, audio: Tensor, features: Tensor, iterations: int, chunk_frames: int) -> Tensor:
        """Return the result of ``forward``, computed in constant memory."""
        if iterations == 0:
            return audio
        hop = self.log_mel.config.hop_length
        spans = chunk_spans(features.shape[-1], chunk_frames, iterations * self.context_frames)
        parts = (
            self(audio[..., span.start * hop : span.stop * hop], features[..., span.start : span.stop], iterations)
            for span in spans
        )
        return join_exact(parts, spans, hop)

    def _gain(self, spectrum: Tensor, wanted: Tensor, step: RefinementStep) -> Tensor:
        """Return the factor of each bin, (B, n_fft // 2 + 1, F)."""
        basis, power = self.log_mel.basis, self.log_mel.config.power
        present = spectrum.abs().clamp(min=1e-9) ** power
        sums = basis.sum(dim=0)[:, None]
        # The mel gives no information outside its range, so those bins stay unchanged. (Rounding leaves the last bin of
        # a filter slightly above 0.)
        covered = sums > 1e-6 * sums.max()
        improved = present
        for _ in range(step.updates):
            ratio = wanted / torch.matmul(basis, improved).clamp(min=1e-9)
            ratio = sharpened(ratio.clamp(1 / LARGEST_RATIO, LARGEST_RATIO), step, LARGEST_RATIO)
            ratio = torch.matmul(basis.T, ratio) / sums.clamp(min=1e-12)
            improved = torch.where(covered, improved * ratio, improved)
        return (improved / present) ** (1 / power)

    def inverse(self, spectrum: Tensor, length: int) -> Tensor:
        """Return the signal (B, length) whose STFT is nearest to ``spectrum``."""
        config = self.log_mel.config
        window = F.pad(self.log_mel.window, self._margins(config.n_fft - config.window_length))
        frames = torch.fft.irfft(spectrum, n=config.n_fft, dim=1) * window[:, None]
        weights = (window**2)[None, :, None].expand(1, -1, frames.shape[-1])
        summed, weight = self._overlap_add(frames), self._overlap_add(weights)
        left = self._edges[0]
        # Frames centred at n hops do not cover the samples after the last frame.
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
