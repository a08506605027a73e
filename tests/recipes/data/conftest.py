"""Small synthetic corpora."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16000


def tone(seconds: float, rate: int = RATE, pitch: float = 150.0, seed: int = 0) -> np.ndarray:
    """A harmonic tone with noise: every frame differs from every other."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(time))
    harmonics = sum(np.sin(2 * np.pi * k * pitch * (1 + 0.1 * time) * time) / k for k in (1, 2, 3))
    return (0.2 * harmonics + 0.02 * noise).astype(np.float32)


@pytest.fixture
def make_tone() -> Callable[..., np.ndarray]:
    return tone


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder corpus: 3 speakers with 1, 2 and 5 utterances of different lengths, 16 kHz."""
    root = tmp_path / "corpus"
    for number, (speaker, count) in enumerate({"ann": 1, "bob": 2, "eve": 5}.items()):
        (root / speaker).mkdir(parents=True)
        for take in range(count):
            seconds = 0.6 + 0.25 * take + 0.0031 * number
            samples = tone(seconds, pitch=100.0 + 40 * number, seed=10 * number + take)
            soundfile.write(root / speaker / f"take{take}.wav", samples, RATE, subtype="PCM_16")
    return root


@pytest.fixture
def data_dir(corpus: Path, tmp_path: Path) -> Path:
    """The corpus as a Kaldi data directory."""
    from recipes.data.corpora import find_folder
    from recipes.data.preparation import prepare

    prepare(find_folder(corpus), tmp_path / "data")
    return tmp_path / "data"
