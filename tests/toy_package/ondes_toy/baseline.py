"""A baseline: the magnitudes of the mel with phases at random."""

import torch
from torch import Tensor

from vocoders.baselines.baseline import MelBaseline
from vocoders.interface import Progress

from .options import ToyOptions


class RandomPhase(MelBaseline):
    """What a mel sounds like if nobody looks for its phases."""

    options_class = ToyOptions

    def _synthesize(self, inputs: dict[str, Tensor], options: ToyOptions, seed: int, progress: Progress) -> Tensor:
        magnitude = self.linear_spectrum(inputs["features"])
        phase = 2 * torch.pi * torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(seed))
        n_fft, hop, length = self.mel.n_fft, self.hop_length, magnitude.shape[-1] * self.hop_length
        spectrum = torch.polar(magnitude, phase)
        audio = torch.istft(spectrum, n_fft, hop, window=torch.hann_window(n_fft), length=length)
        return options.loudness * audio[:, None]
