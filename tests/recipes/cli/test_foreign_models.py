"""Every command that takes a model says what to type for what is none, and `ondes convert` then works."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from effects.models.recurrent import Recurrent, RecurrentConfig
from vocoders.core.audio import write_audio
from vocoders.wavehax import VARIANTS, Wavehax


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of a run, one of a reference implementation, and a clip."""
    monkeypatch.chdir(tmp_path)
    Path("exp/run/checkpoints").mkdir(parents=True)
    state = {"step": 5, "family": "wavehax", "config": {}, "parts": {}}
    torch.save(state, "exp/run/checkpoints/checkpoint-00000005.pt")
    torch.manual_seed(0)
    torch.save({"model": {"generator": Wavehax(VARIANTS["v2"]).network.state_dict()}}, "official.pkl")
    write_audio("clip.wav", torch.zeros(1, 4800), 24000)
    return tmp_path


COMMANDS = [
    ("synth", "clip.wav", "-o", "out.wav", "-m"),
    ("effect", "clip.wav", "-o", "out.wav", "-m"),
    ("generate", "--seconds", "1", "-o", "out.wav", "-m"),
    ("info",),
    ("export", "--format", "onnx", "-o", "out"),
    ("try", "clip.wav", "-o", "out", "-m"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_commands_lead_to_pack_and_convert(ondes, files: Path, command: tuple[str, ...]) -> None:
    for source, expected in (
        ("exp/run/checkpoints/checkpoint-00000005.pt", "ondes pack --exp exp/run --checkpoint exp/run/checkpoints/"),
        ("exp/run", "ondes pack --exp exp/run -o exp/run/model"),
        ("exp/run/checkpoints", "ondes pack --exp exp/run -o exp/run/model"),
        (
            "official.pkl",
            "ondes convert official.pkl --family wavehax --variant v2 --stats STATS.joblib -o official-model",
        ),
    ):
        run = ondes(*command, source)
        assert run.code == 2
        assert expected in run.err
        assert len(run.err.strip().splitlines()) == 1, run.err


@pytest.mark.parametrize("command", ["pack", "decode"])
def test_a_reference_checkpoint_is_no_checkpoint_of_a_run(ondes, files: Path, command: str) -> None:
    more = ["-o", "m"] if command == "pack" else ["--data", ".", "--out", "o"]
    run = ondes(command, "--exp", "exp/run", "--checkpoint", "official.pkl", *more)
    assert run.code == 2
    assert "ondes convert official.pkl --family wavehax" in run.err


def test_the_printed_command_converts(ondes, files: Path) -> None:
    np.savez("stats.npz", mean=np.full(100, -2.0), std=np.full(100, 3.0))
    line = ondes("info", "official.pkl").err.strip()
    command = shlex.split(line[line.index("ondes convert") :].replace("STATS.joblib", "stats.npz"))
    run = ondes(*command[1:])
    assert run.code == 0, run.err
    model = Wavehax.from_pretrained("official-model", verify=True)
    assert (float(model.feature_mean[0]), float(model.feature_std[0])) == (-2, 3)


def test_wavehax_needs_its_statistics_or_a_word_that_there_are_none(ondes, files: Path) -> None:
    arguments = ["convert", "official.pkl", "--family", "wavehax", "--variant", "v2", "-o", "model"]
    run = ondes(*arguments)
    assert run.code == 2
    assert "--stats" in run.err
    assert "--no-stats" in run.err
    assert not Path("model").exists()
    assert ondes(*arguments, "--no-stats").code == 0
    model = Wavehax.from_pretrained("model")
    assert (float(model.feature_mean.abs().max()), float(model.feature_std.max())) == (0, 1)


def test_effects_convert_and_are_described(ondes, files: Path) -> None:
    state = Recurrent(RecurrentConfig(hidden_size=6)).state_dict()
    renamed = {key.replace("cells", "lstm").replace("projection", "linear"): value for key, value in state.items()}
    torch.save({"state_dict": {f"model.{key}": value for key, value in renamed.items()}}, "lstm.ckpt")
    run = ondes("convert", "lstm.ckpt", "--family", "recurrent", "-o", "model")
    assert run.code == 0, run.err
    assert "'model.' taken off" in run.err
    assert json.loads(ondes("info", "model", "--json", "--verify").out)["family"] == "recurrent"


def test_a_run_folder_for_convert_leads_to_pack(ondes, files: Path) -> None:
    run = ondes("convert", "exp/run", "--family", "wavehax", "-o", "model")
    assert run.code == 2
    assert "ondes pack --exp exp/run" in run.err


def test_what_ondes_wrote_is_not_converted(ondes, files: Path) -> None:
    model = Wavehax(VARIANTS["v2"])
    state = {"step": 1, "family": "wavehax", "config": {}, "parts": {"generator": model.state_dict()}}
    torch.save(state, "exp/run/checkpoints/checkpoint-00000006.pt")
    model.save_pretrained("folder")
    for source, cause in (
        ("exp/run/checkpoints/checkpoint-00000006.pt", "ondes pack --exp exp/run --checkpoint"),
        ("folder", "a model of ondes already"),
        ("folder/model.safetensors", "a model of ondes already"),
    ):
        run = ondes("convert", source, "--family", "wavehax", "--variant", "v2", "--no-stats", "-o", "model")
        assert (run.code, cause in run.err) == (2, True), run.err
        assert not Path("model").exists()


def test_pack_of_what_is_no_run_folder(ondes, files: Path) -> None:
    Wavehax(VARIANTS["v2"]).save_pretrained("folder")
    for source, cause in (
        ("exp/run/checkpoints/checkpoint-00000005.pt", "ondes pack --exp exp/run --checkpoint"),
        ("official.pkl", "ondes convert official.pkl"),
        ("folder", "a model already"),
    ):
        run = ondes("pack", "--exp", source, "-o", "model")
        assert (run.code, cause in run.err) == (2, True), run.err
