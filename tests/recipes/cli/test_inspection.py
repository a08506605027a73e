"""`ondes models`, `ondes info` and `ondes convert`."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from vocoders.core.audio import write_audio


def test_models_lists_what_ships(ondes, tiny: str) -> None:
    run = ondes("models")
    assert run.code == 0
    assert [line.split("\t")[0] for line in run.out.splitlines()] == ["name", "tiny-24k"]
    (model,) = json.loads(ondes("models", "--json").out)
    assert (model["name"], model["family"], model["sample_rate"]) == ("tiny-24k", "tiny", 24000)
    assert (model["num_parameters"], model["license"]) == (1, "unknown")


def test_info_of_audio(ondes, make_audio) -> None:
    write_audio("x.flac", torch.tensor([[0.5, -0.5] * 1000, [0.0] * 2000]), 48000, subtype="PCM_24")
    facts = json.loads(ondes("info", "x.flac", "--json").out)
    assert (facts["format"], facts["subtype"], facts["sample_rate"], facts["channels"]) == ("FLAC", "PCM_24", 48000, 2)
    assert (facts["frames"], facts["seconds"], facts["dc"]) == (2000, round(2000 / 48000, 6), 0)
    assert facts["peak_db"] == pytest.approx(-6.02, abs=0.01)
    assert facts["rms_db"] == pytest.approx(-9.03, abs=0.01)
    assert yaml.safe_load(ondes("info", "x.flac").out)["channels"] == 2


def test_info_of_features(ondes, tiny: str) -> None:
    np.savez("x.npz", features=np.ones((80, 5)), f0=np.array([0, 100, 200, 0, 0]))
    facts = json.loads(ondes("info", "x.npz", "--json").out)
    assert (facts["bins"], facts["frames"], facts["voiced_frames"], facts["f0_max"]) == (80, 5, 2, 200)


@pytest.mark.parametrize(("shape", "bins"), [((80, 300), 80), ((300, 80), 80), ((100, 80), 100), ((300, 77), 300)])
def test_info_finds_the_axis_of_the_bands(ondes, tiny: str, shape: tuple[int, int], bins: int) -> None:
    np.save("x.npy", np.random.default_rng(0).uniform(-8, 0, shape).astype("float32"))
    facts = json.loads(ondes("info", "x.npy", "--json").out)
    assert (facts["bins"], facts["bins"] * facts["frames"]) == (bins, shape[0] * shape[1])


def test_info_of_a_model(ondes, tiny: str, tmp_path: Path) -> None:
    for source in (tiny, tmp_path / "weights" / tiny, tmp_path / "weights" / tiny / "config.json"):
        facts = json.loads(ondes("info", source, "--json", "--verify").out)
        assert (facts["family"], facts["parameters"], facts["sample_rate"]) == ("tiny", 1, 24000)
        assert facts["fingerprint"] == "samples 24000 Hz hop=240"
        assert facts["config"]["gain"] == 1.0
        assert facts["verified"] is True


@pytest.mark.parametrize(
    ("target", "cause"),
    [
        ("none.wav", "none.wav: "),
        ("none.npz", "no such file"),
        ("text.wav", "text file"),
        ("text.pkl", "text file"),
        ("none", "no model 'none'"),
        (".", "no config.json"),
    ],
)
def test_info_of_nothing(ondes, tiny: str, target: str, cause: str) -> None:
    for name in ("text.wav", "text.pkl"):
        Path(name).write_text("some text")
    run = ondes("info", target)
    assert run.code == 2
    assert cause in run.err


def test_convert(ondes, tiny: str) -> None:
    Path("official.pkl").write_bytes(b"weights")
    arguments = ["convert", "official.pkl", "--family", "tiny", "--variant", "v1", "-o", "model"]
    run = ondes(*arguments)
    assert run.code == 0, run.err
    assert run.out == "model: tiny with 1 parameters\n"
    assert load_file("model/model.safetensors")["gain"] == 0.5
    run = ondes(*arguments)
    assert (run.code, "--force" in run.err) == (2, True)
    assert ondes(*arguments, "--force", "--half").code == 0
    Path("model/notes.txt").write_text("keep me")
    run = ondes(*arguments, "--force")
    assert (run.code, "notes.txt" in run.err) == (2, True)
    assert Path("model/notes.txt").exists()


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"CKPT": "none.pkl"}, "none.pkl is missing"),
        ({"CKPT": "."}, "a folder"),
        ({"--family": "tinny"}, "did you mean 'tiny'"),
        ({"--family": "zzz"}, "known families: tiny"),
        ({"--variant": "v9"}, "unknown variant 'v9'"),
        ({"--config": "none.yaml"}, "--config: none.yaml"),
        ({"--stats": "none.npz"}, "--stats: none.npz"),
    ],
)
def test_convert_refuses(ondes, tiny: str, changes: dict[str, str], cause: str) -> None:
    Path("official.pkl").write_bytes(b"weights")
    options = {"CKPT": "official.pkl", "--family": "tiny", "--variant": "v1", "-o": "model"} | changes
    run = ondes("convert", options.pop("CKPT"), *[part for option in options.items() for part in option])
    assert run.code == 2
    assert cause in run.err
    assert not Path("model").exists()


def test_info_of_every_model_that_ships(ondes) -> None:
    from vocoders.core.model_source import shipped_models

    for model in shipped_models():
        facts = json.loads(ondes("info", model.name, "--json").out)
        assert (facts["family"], facts["sample_rate"], facts["path"]) == (
            model.family,
            model.sample_rate,
            str(model.path),
        )
        assert facts["parameters"] == model.num_parameters > 0


def test_statistics_are_declined_for_families_that_need_them_alone(ondes, tiny: str) -> None:
    Path("official.pkl").write_bytes(b"weights")
    Path("stats.npz").write_bytes(b"numbers")
    arguments = ["convert", "official.pkl", "--family", "tiny", "--variant", "v1", "-o", "model", "--no-stats"]
    for more, cause in (([], "leave it out"), (["--stats", "stats.npz"], "one of the two")):
        run = ondes(*arguments, *more)
        assert (run.code, cause in run.err) == (2, True), run.err
