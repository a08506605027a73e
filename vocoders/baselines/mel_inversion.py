"""Inversion of a mel without a network: mel refinement, starting from noise, or from harmonics."""

import torch
from torch import Tensor

from vocoders.baselines.baseline import MelBaseline
from vocoders.baselines.options import MelInversionOptions
from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_consistency import MelConsistency
from vocoders.frontends.mel_consistent_start import MelConsistentPrior
from vocoders.interface import Progress

__all__ = ["MelInversion"]

# Length in seconds that is refined at once.
_WINDOW_SECONDS = 10.0
# Deviation of the noise in voiced frames, relative to that in unvoiced ones.
_VOICED_NOISE = 0.2


class MelInversion(MelBaseline):
    """White noise with the magnitudes of the mel, refined by iterations of :class:`MelConsistency`.

    With ``excitation: harmonics`` it starts at harmonics of the F0 in the mel, and noise, with the envelope of the mel
    (:class:`~vocoders.frontends.mel_consistent_start.MelConsistentPrior`): a quarter of the iterations gives as much,
    and voices are smooth. That needs a mel with padding ``same_zero`` or ``same_reflect`` and the natural logarithm.

    It shows what mel refinement achieves alone, and so what a network before it contributes.

    Args:
        mel: convention of the input mel; pass that of the vocoder to compare with.
    """

    options_class = MelInversionOptions

    def __init__(self, mel: MelConfig) -> None:
        super().__init__(mel)
        self.mel_consistency = MelConsistency(self.log_mel)

    def refinement_iterations(self, options: MelInversionOptions) -> int:
        """Return the number of iterations of mel refinement."""
        return options.mel_refinement

    def _synthesize(
        self, inputs: dict[str, Tensor], options: MelInversionOptions, seed: int, progress: Progress
    ) -> Tensor:
        features = inputs["features"]
        num_samples = features.shape[-1] * self.hop_length
        noise = torch.randn(len(features), num_samples, generator=torch.Generator().manual_seed(seed))
        if options.excitation == "harmonics":
            prior = MelConsistentPrior(self._mel, self.mel_consistency, options.mel_refinement)
            waveform = prior(prior.excitation(features, noise[:, None], _VOICED_NOISE), features)
        else:
            phases = torch.exp(1j * self.log_mel.complex_spectrum(noise).angle())
            start = self.mel_consistency.inverse(self.linear_spectrum(features) * phases, num_samples)
            window = round(_WINDOW_SECONDS * self.sample_rate / self.hop_length)
            waveform = self.mel_consistency.in_chunks(start[:, None], features, options.mel_refinement, window)
        progress(1.0)
        return waveform
