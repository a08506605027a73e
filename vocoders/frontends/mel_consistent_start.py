"""A start of the flow that already agrees with the mel (ours, not published).

From white noise a flow has to find the pitch, the envelope and the phases of speech. But the mel contains F0 and the
envelope: harmonics and noise with that envelope, after some iterations of mel refinement, have the mel of the speech
and the right periods. Such a start and the speech are paired by their mel, the paths between them are short, and one
step suffices. Compare priors with the spectrum of the mel in PriorGrad (arXiv 2106.06406) and SpecGrad
(arXiv 2203.16749), and Griffin-Lim within the sampler in GLA-Grad (arXiv 2402.15516).
"""

import torch
from torch import Tensor, nn

from vocoders.frontends.envelope import EnvelopeFilter, flat_excitation_levels, flat_harmonics
from vocoders.frontends.harmonic import hold_frames, running_cycles
from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_consistency import MelConsistency
from vocoders.frontends.mel_f0 import estimate_f0
from vocoders.frontends.shaped_start import ShapedStart

__all__ = ["MelConsistentPrior", "RunningExcitation"]

# Length in seconds that is refined at once.
_WINDOW_SECONDS = 10.0


class MelConsistentPrior(nn.Module):
    """Harmonics of the F0 found in the mel, and noise, with the envelope of the mel, refined towards the mel.

    Args:
        mel: a mel that :class:`EnvelopeFilter` takes.
        refinement: of that mel.
        iterations: of refinement.
        window_hops: window of the filter that shapes the excitation, in hops.
        shaper: networks in the place of the iterations.
    """

    def __init__(
        self,
        mel: MelConfig,
        refinement: MelConsistency,
        iterations: int,
        window_hops: int = 4,
        shaper: ShapedStart | None = None,
    ) -> None:
        super().__init__()
        self.mel, self.iterations = mel, iterations
        self.envelope, self.shaper = EnvelopeFilter(mel, window_hops=window_hops), shaper
        # A reference alone: the vocoder has the module.
        self._refinement = (refinement,)

    @property
    def refinement(self) -> MelConsistency:
        """The refinement towards the mel."""
        return self._refinement[0]

    @property
    def context_frames(self) -> int:
        """Number of frames on each side on which the start depends."""
        return self.iterations * self.refinement.context_frames + self.envelope.context_frames

    def excitation(self, features: Tensor, noise: Tensor, voiced_noise: float, phase: Tensor | None = None) -> Tensor:
        """Return a flat excitation, (B, 1, F * hop_length), or for a shaper its harmonics and its noise (B, 2, ...).

        Args:
            features: log-mels (B, n_mels, F).
            noise: standard normal (B, 1, F * hop_length).
            voiced_noise: deviation of the noise in voiced frames; it is 1 in unvoiced ones.
            phase: start phase of the harmonics in cycles (B, 1); ``None``: 0.
        """
        return self.excitation_of(estimate_f0(features, self.mel, offset=0.5), noise, voiced_noise, phase)

    def excitation_of(self, f0: Tensor, noise: Tensor, voiced_noise: float, phase: Tensor | None = None) -> Tensor:
        """Return the excitation of F0 (B, 1, F) in Hz, 0 where unvoiced; see :meth:`excitation`."""
        harmonics = flat_harmonics(f0, self.mel, phase) / flat_excitation_levels(self.mel)[1]
        noise = noise * hold_frames(torch.where(f0 > 0, voiced_noise, 1.0), self.mel.hop_length)
        return harmonics + noise if self.shaper is None else torch.cat([harmonics.to(noise), noise], dim=1)

    def forward(self, excitation: Tensor, features: Tensor) -> Tensor:
        """Return audio (B, 1, F * hop_length) with the log-mels ``features`` from a flat excitation."""
        if self.shaper is None:
            return self._refined(excitation, features)
        with torch.autocast(features.device.type, enabled=False):
            return self.shaper(excitation.float(), features.float())

    @torch.no_grad()
    def _refined(self, excitation: Tensor, features: Tensor) -> Tensor:
        window = round(_WINDOW_SECONDS * self.mel.sample_rate / self.mel.hop_length)
        start = self.envelope.multiply(excitation.float(), features.float())
        return self.refinement.in_chunks(start, features.float(), self.iterations, window)


class RunningExcitation:
    """Excitations of the chunks of a stream, in which the phase of the harmonics runs on.

    Args:
        prior: makes the excitation.
        voiced_noise: deviation of the noise in voiced frames.
        chunk: frames of each chunk.
        halo: largest number of frames of context on either side.
    """

    def __init__(self, prior: MelConsistentPrior, voiced_noise: float, chunk: int, halo: int) -> None:
        self.prior, self.voiced_noise, self.chunk, self.halo = prior, voiced_noise, chunk, halo
        self.context = 0
        # Phase in cycles (B, 1) of the last sample before the chunk, without its context.
        self.phase: Tensor | None = None

    def __call__(self, features: Tensor, noise: Tensor) -> Tensor:
        """Return the excitation (B, 1, F * hop_length) of the next chunk and its context."""
        mel = self.prior.mel
        f0 = estimate_f0(features, mel, offset=0.5)
        cycles = running_cycles(f0[:, 0].float(), mel.hop_length, mel.sample_rate, None)
        start = torch.zeros_like(cycles[:, :1])
        if self.phase is not None:
            start = self.phase - cycles[:, self.context * mel.hop_length - 1, None]
        end = min(self.context + self.chunk, f0.shape[-1])
        self.phase = torch.frac(start + cycles[:, end * mel.hop_length - 1, None])
        self.context = min(end, self.halo)
        return self.prior.excitation_of(f0, noise, self.voiced_noise, start)
