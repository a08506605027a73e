"""Layer lists for RTNeural: read back in plain NumPy they give the model."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from effect_cases import make_model

from effects.runtimes.rtneural import MODEL_FILE, export_rtneural, play
from effects.runtimes.rtneural_reader import RTNeuralModel
from vocoders.core.errors import ConfigError, DataError


def _play(folder: Path, audio: np.ndarray) -> np.ndarray:
    head = json.loads((folder / "metadata.json").read_text())["head"]
    return play(RTNeuralModel.read(folder / MODEL_FILE), head, audio)


@pytest.mark.parametrize("name", ["lstm", "gru_deep"])
def test_the_reader_gives_the_model_at_the_exported_knobs(name: str, tmp_path: Path) -> None:
    model = make_model(name, torch.float32)
    settings = {"drive": 0.8, "mode": "on"}
    metadata = export_rtneural(model, tmp_path / "x", settings)
    assert metadata["frozen"]
    assert metadata["settings"] == {"drive": 0.8, "mode": 1.0}
    generator = torch.Generator().manual_seed(3)
    audio = torch.rand(1, 1, 800, generator=generator) - 0.5
    knobs = model.knobs.normalize(model.knobs.values(settings))[None].float()
    with torch.no_grad():
        expected, _ = model(audio, knobs)
    output = _play(tmp_path / "x", audio[0].numpy())
    np.testing.assert_allclose(output, expected[0].numpy(), rtol=0, atol=1e-6)


def test_the_test_vector_is_what_the_model_gives(tmp_path: Path) -> None:
    model = make_model("lstm", torch.float32)
    export_rtneural(model, tmp_path / "x")
    vector = np.load(tmp_path / "x" / "test_vector.npz")
    output = _play(tmp_path / "x", vector["input"])
    assert np.abs(output - vector["output"]).max() <= 2e-6 * np.abs(vector["output"]).max()
    assert json.loads((tmp_path / "x" / "metadata.json").read_text())["kind"] == "rtneural"


@pytest.mark.parametrize("name", ["tcn", "signaltrain", "s4_gain", "graybox_dynamics"])
def test_other_families_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        export_rtneural(make_model(name, torch.float32), tmp_path / "x")
    assert not any(tmp_path.iterdir())


def test_an_existing_export_stays(tmp_path: Path) -> None:
    model = make_model("lstm", torch.float32)
    export_rtneural(model, tmp_path / "x")
    with pytest.raises(DataError, match="exists already"):
        export_rtneural(model, tmp_path / "x")
    export_rtneural(model, tmp_path / "x", overwrite=True)
