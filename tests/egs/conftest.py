"""Recipes run in a copy, so that the repository's own data, features and runs stay as they are."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

EGS = Path(__file__).resolve().parents[2] / "egs"


@pytest.fixture
def copy_recipe(tmp_path):
    """Return a function that copies a recipe and what it shares with others, and returns its folder."""

    def copy(name):
        target = tmp_path / "egs" / name
        shutil.copytree(EGS / "utils", tmp_path / "egs/utils", dirs_exist_ok=True)
        for part in ("run.sh", "path.sh", "cmd.sh", "conf", "published.yaml"):
            source = EGS / name / part
            target.mkdir(parents=True, exist_ok=True)
            if not source.exists():  # a variant takes the configurations of another recipe
                continue
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, target / part)
        return target

    return copy


@pytest.fixture(scope="session")
def shell(program_path):
    """Return a function that runs a command with the programs of this tree first on the path."""

    def run(*command, cwd, **variables):
        environment = {
            **os.environ,
            "PATH": program_path,
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            **variables,
        }
        words = [str(word) for word in command]
        return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=500)

    return run


@pytest.fixture
def small_corpus(mini_libritts, tmp_path):
    """12 + 2 + 2 short utterances of the speech corpus, in its layout."""
    root = tmp_path / "corpus"
    for subset, count in (("train-mini", 12), ("dev-mini", 2), ("test-mini", 2)):
        files = sorted((mini_libritts / subset).rglob("*.flac"), key=lambda file: (file.stat().st_size, file.name))
        for file in files[:count]:
            target = root / file.relative_to(mini_libritts)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
    return root


@pytest.fixture
def write_tone():
    """Return a function that writes a harmonic tone with a little noise, something to track F0 in."""

    def write(path, frequency, sample_rate=24000, seconds=0.6):
        time = np.arange(int(seconds * sample_rate)) / sample_rate
        tone = sum(np.sin(2 * np.pi * k * frequency * time) / k for k in range(1, 8))
        noise = np.random.default_rng(round(frequency)).standard_normal(len(time))
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * tone + 0.005 * noise, sample_rate, subtype="PCM_16")

    return write
