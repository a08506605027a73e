"""Modulation depth: it hears whether pulses are pulses, not where they are."""

import numpy as np
import pytest
import torch

from recipes.metrics.registry import create_metrics
from vocoders.frontends.mel import MEL_PRESETS, LogMel
from vocoders.frontends.mel_consistency import MelConsistency


@pytest.fixture(scope="module")
def depth():
    return create_metrics(["modulation_depth"])[0]


def test_the_position_of_pulses_does_not_matter(depth, make_voiced, make_pair):
    f0 = np.full(24000, 120.0)
    voice, later = make_voiced(f0), make_voiced(np.r_[np.full(77, 60.0), f0[77:]])
    assert abs(depth(make_pair(voice, later))) < 0.3
    assert abs(depth(make_pair(voice, 0.1 * voice))) < 0.05


def test_wrong_phases_and_refined_noise_lose_the_beat(depth, make_voiced, make_pair):
    voice = make_voiced(np.linspace(100, 140, 24000))
    rng = np.random.default_rng(0)
    # Phases at random, magnitudes as they are: the same harmonics, spread over the period.
    spectrum = np.fft.rfft(voice)
    scattered = np.fft.irfft(np.abs(spectrum) * np.exp(2j * np.pi * rng.random(len(spectrum))), n=len(voice))
    mel = LogMel(MEL_PRESETS["bigvgan_24k"])
    target = torch.from_numpy(voice[: 93 * 256])[None, None]
    noise = 0.05 * torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    refined = MelConsistency(mel)(noise, mel(target), 32)[0, 0].numpy()
    assert depth(make_pair(voice, scattered)) < -2
    assert depth(make_pair(target[0, 0].numpy(), refined)) < -1
    mels = mel(torch.from_numpy(refined)[None]), mel(target)
    assert (mels[0] - mels[1]).abs().mean() < 0.5


def test_depth_of_a_known_modulation(depth, make_pair):
    """Noise with an amplitude of 1 + m cos: the depth grows with the square of m."""
    time = np.arange(48000) / 24000
    noise = np.random.default_rng(1).standard_normal(48000) * 0.05
    deep, half = (noise * (1 + m * np.cos(2 * np.pi * 110 * time)) for m in (0.9, 0.45))
    assert depth(make_pair(deep, half)) < -1
    assert depth(make_pair(half, deep)) == pytest.approx(-depth(make_pair(deep, half)), abs=0.3)
