"""A tiny corpus and the configuration of a tiny run on it, and runs in processes of their own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recipes.config import TrainConfig
from recipes.data.corpora import find_folder
from recipes.data.features import extract_features
from recipes.data.preparation import prepare

MODEL = {
    "mel": {"n_fft": 256, "hop_length": 60, "n_mels": 20, "fmax": 8000.0},
    "f0": {"method": "dio"},
    "channels": 4,
    "num_blocks": 1,
    "kernel_size": [3, 3],
    "n_fft": 120,
    "prior_shaping": "envelope",
    "norm": "frame",
}
OBJECTIVE = {
    "name": "gan",
    "reconstruction": {"mel": {"weight": 45.0, "n_fft": 256, "hop_length": 64, "n_mels": 20}},
    "discriminators": {"mrd": {"channels": 4, "resolutions": [[256, 64, 256]]}},
}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """A prepared corpus of five gliding tones."""
    root = tmp_path_factory.mktemp("corpus")
    time_axis = np.arange(24000) / 24000
    rng = np.random.default_rng(0)
    for index in range(5):
        phase = 2 * np.pi * np.cumsum(120 + 40 * index + 30 * time_axis) / 24000
        tone = sum(np.sin(k * phase) / k for k in range(1, 12))
        audio = 0.1 * tone + 0.005 * rng.standard_normal(24000)
        (root / "wav").mkdir(exist_ok=True)
        soundfile.write(root / "wav" / f"tone{index}.wav", audio, 24000)
    prepare(find_folder(root / "wav"), root / "data")
    config = _make_config(root)
    extract_features(root / "data", root / "dump", config.front_end.mel, config.front_end.f0)
    return root


def _make_config(root: Path, **trainer) -> TrainConfig:
    options = {"max_steps": 10, "log_every": 1, "valid_every": 100, "checkpoint_every": 100, "num_threads": 1}
    return TrainConfig.from_dict(
        {
            "family": "wavehax",
            "model": MODEL,
            "data": {
                "train": str(root / "data"),
                "feature_dir": str(root / "dump"),
                "segment_length": 2400,
                "batch_size": trainer.pop("batch_size", 4),
                "num_workers": 0,
            },
            "objective": OBJECTIVE,
            "optimizer": {"learning_rate": 1e-3},
            "scheduler": {"name": "constant"},
            "trainer": options | {"ema_decay": 0.9} | trainer,
        }
    )


@pytest.fixture(scope="session")
def make_config():
    """Return a function from the folder of the corpus, and options of the trainer, to a configuration."""
    return _make_config


@pytest.fixture
def free_port():
    """Return a function that gives a port that nobody listens at."""

    def find() -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return free.getsockname()[1]

    return find


@pytest.fixture
def launch(corpus, tmp_path):
    """Return a function that starts `ondes train` in a process of its own; at the end all of them are gone."""
    started = []

    def start(folder: Path, prefix: list[str], *overrides: str, **environment: str) -> subprocess.Popen:
        path = folder.parent / f"{folder.name}.yaml"
        path.write_text(_make_config(corpus).to_yaml())
        command = [*prefix, "-m", "recipes.cli.main", "train", "--config", str(path), "--exp", str(folder), *overrides]
        process = subprocess.Popen(
            command,
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def launch_two(launch, free_port):
    """Return a function that starts a run of two processes, each of which is returned."""

    def start(folder: Path, *overrides: str) -> list[subprocess.Popen]:
        port = str(free_port())
        return [
            launch(
                folder, [sys.executable], *overrides,
                RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port,
                ACCELERATE_USE_CPU="true",
            )
            for rank in range(2)
        ]  # fmt: skip

    return start
