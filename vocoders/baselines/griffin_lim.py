"""Griffin-Lim: a waveform from its mel spectrogram by phase retrieval."""

from importlib.metadata import version
from typing import Any

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vocoders.baselines.baseline import MelBaseline
from vocoders.baselines.options import GriffinLimOptions
from vocoders.interface import Progress

__all__ = ["GriffinLim"]

# librosa 1 has renamed this argument.
_SEED = "random_state" if version("librosa").startswith("0.") else "rng"


class GriffinLim(MelBaseline):
    """Phase retrieval (Griffin and Lim 1984; fast form of Perraudin et al. 2013) from the same mel as a vocoder."""

    options_class = GriffinLimOptions

    def _synthesize(
        self, inputs: dict[str, Tensor], options: GriffinLimOptions, seed: int, progress: Progress
    ) -> Tensor:
        spectra = self.linear_spectrum(inputs["features"])
        waveforms = []
        for number, magnitude in enumerate(spectra, start=1):
            waveforms.append(self._retrieve(magnitude, options, seed))
            progress(number / len(spectra))
        return torch.stack(waveforms)[:, None]

    def _retrieve(self, magnitude: Tensor, options: GriffinLimOptions, seed: int) -> Tensor:
        """Return a signal (F * hop_length,) whose magnitudes are close to those given, (n_fft // 2 + 1, F)."""
        hop_length, n_fft = self.mel.hop_length, self.mel.n_fft
        num_samples = magnitude.shape[-1] * hop_length
        # librosa centres frame n at n hops. The frames of "same" padding lie half a hop later: repeating the first
        # frame and cutting half a hop converts them to librosa's grid.
        same = self.mel.padding.startswith("same")
        start = hop_length - (n_fft // 2 - (n_fft - hop_length) // 2) if same else 0
        frames = F.pad(magnitude[None], (int(same), 1), mode="replicate")[0]
        seeded: dict[str, Any] = {_SEED: seed}
        signal = librosa.griffinlim(
            frames.double().numpy(),
            n_iter=options.iterations,
            hop_length=hop_length,
            win_length=self.mel.window_length,
            n_fft=n_fft,
            momentum=options.momentum,
            **seeded,
        )
        return torch.from_numpy(signal[start : start + num_samples].astype(np.float32))
