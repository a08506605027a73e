"""Distances between magnitude spectra: mel L1 and log-spectral distance."""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from recipes.metrics.metric import Metric, Signal, SignalPair
from vocoders.frontends.mel import LogMel, MelConfig

__all__ = ["LogSpectralDistance", "MelL1", "frame_length"]


def frame_length(sample_rate: int) -> int:
    """Return the power of two nearest to 42.7 ms: 1024 samples at 22.05 and 24 kHz, 2048 at 44.1 and 48 kHz."""
    return 2 ** round(math.log2(sample_rate * 1024 / 24000))


class MelL1(Metric):
    """Mean absolute difference of natural-log mel spectra, in nat.

    The front end is that of HiFi-GAN and BigVGAN over the whole band: 100 Slaney mels from 0 Hz to half the sample
    rate, frames of about 43 ms with a quarter as hop, floor 1e-5. It does not depend on the mel of a model, so that
    rows of one table can be compared.
    """

    name = "mel_l1"
    title = "mel L1"
    unit = "nat"
    shortest = 0.05
    definition = (
        "mean |ln mel(reference) - ln mel(generated)|, 100 Slaney mels from 0 Hz to half the sample rate, frames of "
        "43 ms, hop a quarter, floor 1e-5"
    )

    def measure(self, pair: SignalPair) -> float:
        """Return the mean absolute difference in nat."""
        front_end = _front_end(pair.sample_rate)
        with torch.inference_mode():
            reference, generated = (front_end(_batch(signal)) for signal in (pair.reference, pair.generated))
            return (reference - generated).abs().mean().item()


class LogSpectralDistance(Metric):
    """Root mean square difference of log magnitudes over frequency, mean over frames, in dB.

    LSD = mean over frames of sqrt(mean over bins of (20 log10 |X| / |Y|)^2), magnitudes floored at 1e-5 of a Hann
    window's frame, frames as in :class:`MelL1`.
    """

    name = "log_spectral_distance"
    title = "LSD"
    unit = "dB"
    shortest = 0.05
    definition = (
        "mean over frames of sqrt(mean over bins (20 log10 |X|/|Y|)^2), Hann frames of 43 ms, hop a quarter, "
        "|X| >= 1e-5"
    )

    def measure(self, pair: SignalPair) -> float:
        """Return the distance in dB."""
        front_end = _front_end(pair.sample_rate)
        with torch.inference_mode():
            reference, generated = (
                20 * torch.log10(front_end.spectrum(_batch(signal)).double().clamp(min=1e-5))
                for signal in (pair.reference, pair.generated)
            )
            return (reference - generated).square().mean(1).sqrt().mean().item()


@lru_cache(maxsize=4)
def _front_end(sample_rate: int) -> LogMel:
    n_fft = frame_length(sample_rate)
    return LogMel(
        MelConfig(
            sample_rate=sample_rate,
            n_fft=n_fft,
            hop_length=n_fft // 4,
            n_mels=100,
            padding="same_reflect",
        )
    )


def _batch(signal: Signal) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(signal.samples))[None, None]
