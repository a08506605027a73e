"""Exports of vocoders: run and compared before they are written, and of use without PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vocoders.core.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from vocoders.core.graphs import session
from vocoders.exports import export_onnx
from vocoders.exports import onnx as onnx_export
from vocoders.frontends.mel import MelConfig
from vocoders.wavehax import Wavehax, WavehaxConfig

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

MEL = MelConfig(n_fft=256, hop_length=60, n_mels=20, fmax=8000.0)
KINDS = {
    "real": {},
    "log_magnitude": {"log_magnitude_phase": True},
    "complex": {"network": "complex"},
    "multi_stream": {"network": "multi_scale", "n_fft": 30},
    "haar": {"network": "multi_scale", "n_fft": 30, "decomposer": "haar"},
    "envelope": {"prior_shaping": "envelope", "norm": "frame", "mel_refinement": 2},
    "start": {"prior_shaping": "envelope", "norm": "frame", "start_refinement": 2},
    "causal": {"norm": "frame", "look_ahead": 1},
    "sine": {"prior": {"name": "sine"}, "norm": "batch"},
}


def small(**changes) -> Wavehax:
    torch.manual_seed(0)
    options = {"mel": MEL, "channels": 4, "num_blocks": 2, "kernel_size": (3, 3), "n_fft": 120} | changes
    model = Wavehax(WavehaxConfig(**options)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_every_wavehax_is_exported_and_agrees(kind, tmp_path: Path):
    metadata = export_onnx(small(**KINDS[kind]), tmp_path / "out")
    assert metadata["verification"]["max_relative_error"] <= 1e-4
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(metadata["files"])
    assert json.loads((tmp_path / "out" / "metadata.json").read_text()) == json.loads(json.dumps(metadata))


def test_the_example_needs_no_torch(tmp_path: Path):
    export_onnx(small(**KINDS["envelope"]), tmp_path / "out")
    # Names of modules that are None cannot be imported.
    blocked = "import sys, runpy; sys.modules.update(dict.fromkeys(('torch', 'vocoders', 'onnx', 'librosa', 'scipy')))"
    code = f"{blocked}; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
    given = tmp_path / "inputs.npz"
    np.savez(given, features=np.full((1, 20, 30), -4, np.float32), f0=np.full((1, 1, 30), 150, np.float32))
    for arguments, length in (([], 60 * 60), ([str(given), "mine.wav"], 30 * 60)):
        command = [sys.executable, "-I", "-c", code, str(tmp_path / "out" / "example.py"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        written = tmp_path / (arguments[1] if arguments else "example.wav")
        assert written.stat().st_size == 44 + 2 * length
    assert len((tmp_path / "out" / "example.py").read_text().splitlines()) < 60


def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(onnx_export, "compare", lambda plan, run: {plan.name: 2e-4})
    with pytest.raises(CheckpointError):
        export_onnx(small(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_exported_is_one_line(tmp_path: Path, monkeypatch):
    with pytest.raises(ConfigError):
        export_onnx(small(prior={"name": "sawtooth"}), tmp_path / "out")
    with pytest.raises(ConfigError):
        export_onnx(small(), tmp_path / "out", {"steps": 3})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    with pytest.raises(DataError):
        export_onnx(small(), tmp_path / "out")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError):
        export_onnx(small(), tmp_path / "other")


def test_an_old_runtime_is_named(monkeypatch):
    monkeypatch.setattr(session.import_onnxruntime(), "__version__", "1.16.3")
    with pytest.raises(ConfigError, match=r"1\.16\.3"):
        session.import_onnxruntime()
