"""Signals that the metric tests share."""

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from recipes.metrics.metric import Signal, SignalPair

SAMPLE_RATE = 24000


def voiced(f0: np.ndarray, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Return a buzz with vowel-like formants whose F0 in Hz is given for every sample; silent where F0 is 0."""
    phase = np.cumsum(f0) / sample_rate
    pulses = np.diff(np.floor(phase), prepend=0.0) * (f0 > 0)
    for centre, width in ((600, 80), (1400, 120), (2600, 200), (4200, 400), (7500, 900)):
        radius = np.exp(-np.pi * width / sample_rate)
        angle = 2 * np.pi * centre / sample_rate
        pulses = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], pulses) + 0.02 * pulses
    return (0.3 * pulses / np.abs(pulses).max()).astype(np.float32)


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """1.6 s of speech-like sound at 24 kHz: gliding pitch, syllables, a breath of noise."""
    time = np.arange(round(1.6 * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = voiced(140 + 30 * np.sin(2 * np.pi * 0.7 * time))
    syllables = np.clip(np.sin(2 * np.pi * 2.5 * time) + 0.6, 0.02, 1)
    noise = np.random.default_rng(7).standard_normal(len(time))
    return (buzz * syllables + 0.002 * noise).astype(np.float32)


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    """White noise of standard deviation 1, as long as ``speech``."""
    return np.random.default_rng(3).standard_normal(round(1.6 * SAMPLE_RATE)).astype(np.float32)


@pytest.fixture(scope="session")
def natural(mini_libritts) -> tuple[torch.Tensor, int]:
    """A short clip of real speech, (1, T), and its rate."""
    from vocoders.core.audio import read_audio

    clip = min((mini_libritts / "test-mini").rglob("*.flac"), key=lambda path: path.stat().st_size)
    return read_audio(clip)


@pytest.fixture(scope="session")
def make_pair():
    """Function (reference, generated, sample_rate) -> SignalPair."""

    def make(reference: np.ndarray, generated: np.ndarray, sample_rate: int = SAMPLE_RATE) -> SignalPair:
        return SignalPair(*(Signal(np.asarray(s, np.float32), sample_rate) for s in (reference, generated)))

    return make


@pytest.fixture(scope="session")
def make_voiced():
    """The function :func:`voiced`."""
    return voiced
