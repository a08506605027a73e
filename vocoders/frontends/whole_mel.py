"""A mel with all of the spectrum: bands beyond those of a convention, for refinement that keeps what is there."""

import math

import librosa
import numpy as np
import torch
from torch import Tensor

from vocoders.frontends.mel import LogMel, MelConfig, to_logarithm

__all__ = ["WholeMel"]

_LOWEST = 1e-9


class WholeMel(LogMel):
    """The filters of a mel, and more of them at the same distance down to 0 Hz and up to half the sample rate.

    Refinement under the given filters alone leaves the other bins to chance: frames overlap, and what one iteration
    moves across the edge of the lowest band stays there. With a target for every bin nothing drifts.

    Attributes:
        given: rows of the filters that the mel has.
    """

    given: slice

    def __init__(self, config: MelConfig) -> None:
        super().__init__(config)
        filters, below = _continued(config)
        self.given = slice(below, below + config.n_mels)
        filters[self.given] = self.basis
        self.basis = filters

    def target(self, log_mel: Tensor, audio: Tensor) -> Tensor:
        """Return log-mels (B, bands, F) of all bands: the given ones (B, n_mels, F), and the others of ``audio``."""
        held = to_logarithm(self.linear(audio).clamp(min=_LOWEST), self.config.log)
        held[:, self.given] = log_mel
        return held


def _continued(config: MelConfig) -> tuple[Tensor, int]:
    """Return triangular filters (bands, bins) from 0 Hz to half the sample rate, and how many lie below the mel's."""
    htk = config.scale == "htk"
    lowest, highest, last = (
        float(librosa.hz_to_mel(hertz, htk=htk))
        for hertz in (config.fmin, config.top_frequency, config.sample_rate / 2)
    )
    step = (highest - lowest) / (config.n_mels + 1)
    # One more at each end has its peak at 0 Hz or half the sample rate, or beyond.
    below, above = (math.ceil(width / step - 1e-6) + 1 for width in (lowest, last - highest))
    places = lowest + step * np.arange(-below, config.n_mels + 2 + above)
    edges = np.asarray(librosa.mel_to_hz(places, htk=htk))
    bins = np.linspace(0, config.sample_rate / 2, config.n_fft // 2 + 1)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    filters = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clip(min=0)
    if config.norm == "slaney":
        filters *= 2 / (high - low)
    return torch.from_numpy(filters.astype(np.float32)), below
