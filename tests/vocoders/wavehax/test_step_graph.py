"""The exported step of a causal Wavehax: its example streams the samples of the whole utterance, without torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from vocoders.exports.onnx import export_onnx
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.model import Wavehax

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(
    "options",
    [{"prior_shaping": "envelope"}, {"network": "multi_scale", "n_fft": 120}],
    ids=["envelope", "multi-scale"],
)
def test_the_example_streams_what_the_model_synthesises(options: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"channels": 4, "kernel_size": (3, 3), "num_blocks": 1, "norm": "frame", "look_ahead": 1}
    model = Wavehax(WavehaxConfig(**sizes, **options)).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    export_onnx(model, tmp_path / "export")
    metadata = json.loads((tmp_path / "export/metadata.json").read_text())
    step = next(graph for graph in metadata["graphs"] if graph["file"] == "step.onnx")
    assert step["latency"] == model.stream().latency
    program = "import sys, runpy; sys.modules['torch'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    words = [sys.executable, "-c", program, str(tmp_path / "export/stream_example.py")]
    run = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout.split(" by ")[1].split()[0]) < 1e-5
