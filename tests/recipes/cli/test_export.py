"""`ondes export` on the command line."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from effects.knobs import Knob, KnobSet
from effects.models.graybox import GrayBox, GrayBoxConfig
from effects.models.recurrent import Recurrent, RecurrentConfig
from recipes.cli.main import app
from vocoders.core.errors import ConfigError

KNOBS = KnobSet(knobs=(Knob(name="drive", min=0, max=1, default=0.5),))


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    Recurrent(RecurrentConfig(knobs=KNOBS, hidden_size=4)).eval().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def _run(*words):
    return CliRunner().invoke(app, ["export", *map(str, words)])


@pytest.mark.parametrize("format", ["onnx", "rtneural"])
def test_an_export_is_a_folder_that_says_all(format, model, tmp_path):
    if format == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    result = _run(model, "--format", format, "-o", tmp_path / "out", "-k", "drive=0.9")
    assert result.exit_code == 0, result.output
    assert "differs from the model by" in result.output
    metadata = json.loads((tmp_path / "out/metadata.json").read_text())
    assert metadata["settings"] == {"drive": 0.9}
    assert set(np.load(tmp_path / "out/test_vector.npz")) == {"input", "knobs", "output"}
    again = _run(model, "--format", format, "-o", tmp_path / "out")
    assert isinstance(again.exception, Exception)
    assert "--force" in str(again.exception)
    assert _run(model, "--format", format, "-o", tmp_path / "out", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "rtneural", "--freeze"], "--freeze"),
        (["--format", "rtneural", "--max-block", "9"], "--max-block"),
        (["--format", "rtneural", "-k", "gain=1"], "unknown knob 'gain'"),
    ],
)
def test_bad_options(options, message, model, tmp_path):
    result = _run(model, "-o", tmp_path / "out", *options)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_family_without_an_export_and_a_folder_with_other_things(model, tmp_path):
    GrayBox(GrayBoxConfig(knobs=KNOBS)).eval().save_pretrained(tmp_path / "gray")
    assert "graybox" in str(_run(tmp_path / "gray", "--format", "rtneural", "-o", tmp_path / "out").exception)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("dear")
    result = _run(model, "--format", "rtneural", "-o", tmp_path / "mine", "--force")
    assert "thesis.txt" in str(result.exception)
    assert (tmp_path / "mine/thesis.txt").read_text() == "dear"


def test_a_gray_box_becomes_cpp(tmp_path):
    if shutil.which(os.environ.get("CXX") or "c++") is None:
        pytest.skip("no C++ compiler")
    result = _run("lowpass-graybox", "--format", "cpp", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert {"effect.hpp", "example.cpp"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert isinstance(
        _run("lowpass-graybox", "--format", "cpp", "-o", tmp_path / "no", "--freeze").exception, ConfigError
    )
    # An export is replaced with --force, and nothing else is.
    assert _run("lowpass-graybox", "--format", "cpp", "-o", tmp_path / "out", "--force").exit_code == 0
