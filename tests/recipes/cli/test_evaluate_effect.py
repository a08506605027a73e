"""`ondes evaluate effect` and `ondes evaluate pairs`: the four cells, and recorded pairs."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from typer.testing import CliRunner

from effects.knobs import Knob, KnobSet
from effects.models.graybox import GrayBox, GrayBoxConfig
from effects.processors import find_processor
from recipes.cli.main import app
from recipes.effect_evaluation import evaluate_effects

RATE = 44100


@pytest.fixture
def folder(tmp_path):
    """A model that leaves audio as it is, and dry audio in two data directories."""
    generator = np.random.default_rng(0)
    for name in ("seen", "unseen"):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", 0.5 * generator.uniform(-1, 1, 4 * RATE), RATE, "FLOAT")
        assert _run("prepare", "folder", tmp_path / name, tmp_path / f"data_{name}").exit_code == 0
    knobs = find_processor("waveshaper").knobs
    GrayBox(GrayBoxConfig(knobs=knobs, stages=("blend",))).eval().save_pretrained(tmp_path / "model")
    return tmp_path


def _run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_four_cells_with_their_floors(folder):
    result = _run(
        *("evaluate", "effect", f"mine={folder / 'model'}", "--true", "waveshaper", "--items", 2),
        *("--train", folder / "data_seen", "--data", folder / "data_unseen", "--out", folder / "r.json"),
        *("--metrics", "esr,mae,lag,polarity"),
    )
    assert result.exit_code == 0, result.output
    systems = json.loads((folder / "r.json").read_text())["systems"]
    cells = [f"{audio} audio, {knobs} knobs" for audio in ("seen", "unseen") for knobs in ("seen", "unseen")]
    assert set(systems) == {f"{name}: {cell}" for name in ("identity", "constant gain", "mine") for cell in cells}
    for cell in cells:
        identity, gain, mine = (
            systems[f"{name}: {cell}"]["esr"]["mean"] for name in ("identity", "constant gain", "mine")
        )
        # The model does nothing, and a gain that is fitted can only be better.
        assert mine == pytest.approx(identity, rel=1e-4)
        assert gain <= identity
        assert systems[f"mine: {cell}"]["lag"]["mean"] == 0


def test_models_by_name_as_texts_and_as_paths(folder, monkeypatch):
    files = ("--train", folder / "data_seen", "--data", folder / "data_unseen", "--out", folder / "r.json")
    words = ("comp4c-graybox", "mine=comp4c-tcn", "--true", "comp_4c", "--items", 1, *files)
    result = _run("evaluate", "effect", *words, "--metrics", "esr")
    assert result.exit_code == 0, result.output
    systems = json.loads((folder / "r.json").read_text())["systems"]
    cell = "unseen audio, seen knobs"
    names = {name.removesuffix(f": {cell}") for name in systems if name.endswith(cell)}
    assert names == {"identity", "constant gain", "comp4c-graybox", "mine"}
    error = {name: systems[f"{name}: {cell}"]["esr"]["mean"] for name in names}
    assert error["comp4c-graybox"] < error["identity"]
    monkeypatch.chdir(folder)
    dry = (Path("data_seen"), Path("data_unseen"), 1, ["esr"], 0)
    again = evaluate_effects({"path": Path("comp4c-graybox"), "text": "comp4c-graybox"}, "comp_4c", *dry)
    path, text = (again.summary(f"{name}: {cell}", "esr").mean for name in ("path", "text"))
    assert path == text == error["comp4c-graybox"]


def test_recorded_pairs_are_prepared_and_measured(folder):
    generator = np.random.default_rng(1)
    takes = folder / "takes"
    takes.mkdir()
    dry = 0.3 * generator.uniform(-1, 1, 4 * RATE)
    for name, audio in (("dry", dry), ("wet", 0.5 * dry), ("late", np.roll(dry, 500)), ("silent", 0 * dry)):
        soundfile.write(takes / f"{name}.wav", audio, RATE, "FLOAT")
    rows = [f"dry.wav,{wet}.wav,{part},0.5" for wet, part in (("wet", "train"), ("wet", "test"), ("late", "train"))]
    (takes / "pairs.csv").write_text("\n".join(["dry,wet,set,amount", *rows, "dry.wav,silent.wav,train,0.1"]))
    result = _run("prepare", "pairs", takes, folder / "pairs")
    assert result.exit_code == 1
    assert "500 samples late" in result.output
    assert "silent" in result.output
    result = _run(
        *("evaluate", "pairs", f"mine={folder / 'model'}", "--data", folder / "pairs/test", "--items", 1),
        *("--metrics", "esr", "--out", folder / "p.json"),
    )
    assert result.exit_code == 0, result.output
    systems = json.loads((folder / "p.json").read_text())["systems"]
    assert systems["identity: recorded pairs"]["esr"]["mean"] == pytest.approx(1.0, abs=1e-3)
    assert systems["constant gain: recorded pairs"]["esr"]["mean"] < 1e-9
    result = _run(
        *("evaluate", "pairs", f"mine={folder / 'model'}", "--data", folder / "pairs/test", "--whole"),
        *("--metrics", "esr", "--csv", folder / "p.csv"),
    )
    assert result.exit_code == 0, result.output
    # All but the first half second.
    assert "3.500" in (folder / "p.csv").read_text()
    assert "mine: ESR 1.0000, something is wrong" in result.output
    result = _run("prepare", "pairs", takes, folder / "aligned", "--align")
    assert "500 samples late; aligned" in result.output


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [("-3,5 dB", 0, "1 pairs"), ("5ms", 1, "line 2, column 'level': ")],
)
def test_values_are_checked_against_the_knobs_of_a_training(tmp_path, value, code, words):
    for name in ("dry", "wet"):
        soundfile.write(tmp_path / f"{name}.wav", 0.3 * np.random.default_rng(1).uniform(-1, 1, RATE), RATE, "FLOAT")
    knobs = KnobSet(knobs=(Knob(name="level", unit="dB", min=-60, max=0, default=-6),)).to_dict()
    model = {"stages": ["shaper"], "knobs": knobs}
    training = {"family": "graybox", "model": model, "effect": {"synthetic": 0}, "objective": {"name": "effect"}}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(training))
    (tmp_path / "pairs.csv").write_bytes(f"dry;wet;set;level\r\ndry.wav;wet.wav;train;{value}\r\n".encode("utf-16"))
    result = _run("prepare", "pairs", tmp_path, tmp_path / "data", "--config", tmp_path / "train.yaml")
    assert result.exit_code == code
    assert words in f"{result.output} {result.exception}"
    table = tmp_path / "data/train/knobs.csv"
    assert (table.read_text() if table.exists() else "") == ("" if code else "utt_id,level\n00000-wet,-3.5\n")
