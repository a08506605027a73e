"""What is not a model folder says what it is, and the command that is printed works as it stands."""

import shlex
from pathlib import Path

import pytest
import torch

import effects.registry
import vocoders.registry
from effects.models.tcn import TCN
from vocoders.core.errors import CheckpointError
from vocoders.core.model_source import resolve_model
from vocoders.wavehax import VARIANTS, Wavehax


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A training run in a folder whose name needs quotes."""
    folder = tmp_path / "my exp"
    (folder / "checkpoints").mkdir(parents=True)
    for step in (9, 10):
        state = {"step": step, "family": "x", "config": {}, "parts": {}}
        torch.save(state, folder / "checkpoints" / f"checkpoint-{step:08d}.pt")
    return folder


def command_in(message: str) -> list[str]:
    return shlex.split(message[message.index("ondes ") :])


def problem(source: str | Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        resolve_model(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("load", [vocoders.registry.load, effects.registry.load, Wavehax.from_pretrained])
def test_a_training_checkpoint_leads_to_pack(run: Path, load) -> None:
    checkpoint = run / "checkpoints" / "checkpoint-00000009.pt"
    with pytest.raises(CheckpointError) as caught:
        load(str(checkpoint))
    expected = ["ondes", "pack", "--exp", str(run), "--checkpoint", str(checkpoint), "-o", str(run / "model")]
    assert command_in(str(caught.value)) == expected


def test_a_run_folder_leads_to_pack_or_to_its_model(run: Path) -> None:
    for folder in (run, run / "checkpoints"):
        assert command_in(problem(folder)) == ["ondes", "pack", "--exp", str(run), "-o", str(run / "model")]
    (run / "model").mkdir()
    (run / "model" / "config.json").write_text("{}")
    assert problem(run).endswith(f"its model is {run / 'model'}")


def test_a_reference_checkpoint_leads_to_convert(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-1000steps.pkl"
    torch.save({"model": {"generator": Wavehax(VARIANTS["v2"]).network.state_dict()}}, path)
    command = command_in(problem(path))
    assert command[:5] == ["ondes", "convert", str(path), "--family", "wavehax"]
    assert command[5:9] == ["--variant", "v2", "--stats", "STATS.joblib"]
    assert command_in(problem(tmp_path)) == command


def test_a_reference_folder_with_a_config_of_its_own_leads_to_convert(tmp_path: Path) -> None:
    torch.save({"model": {f"estimator.mlp.{i}.weight": torch.ones(1) for i in range(4)}}, tmp_path / "G_10.pth")
    (tmp_path / "G_9.pth").write_bytes(b"")
    (tmp_path / "config.json").write_text('{"data": {}, "model": {}}')
    with pytest.raises(CheckpointError) as caught:
        vocoders.registry.load(str(tmp_path))
    command = command_in(str(caught.value))
    assert command[:5] == ["ondes", "convert", str(tmp_path / "G_10.pth"), "--family", "periodwave"]
    assert command[5:7] == ["--config", str(tmp_path / "config.json")]


def test_an_effect_given_to_a_vocoder_command_leads_to_convert(tmp_path: Path) -> None:
    from effects.models.tcn import VARIANTS as TCN_VARIANTS

    names = {"condition.layers": "gen", ".conv.": ".conv1.", ".norm.": ".bn.", ".activation.": ".relu."}
    names |= {".residual.": ".res.", "projection.": "output."}
    state = {}
    for key, value in TCN(TCN_VARIANTS["tcn_300_causal"]).state_dict().items():
        for ours, theirs in names.items():
            key = key.replace(ours, theirs)
        state[key] = value
    torch.save(state, tmp_path / "tcn.pt")
    assert command_in(problem(tmp_path / "tcn.pt"))[3:7] == ["--family", "tcn", "--variant", "tcn_300_causal"]


@pytest.mark.parametrize(
    ("content", "cause"),
    [(b"", "empty"), (b"<html>", "web page"), (b"RIFF....WAVE", "RIFF"), (b"words", "text file")],
)
def test_other_files_name_what_they_are(tmp_path: Path, content: bytes, cause: str) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    assert cause in problem(tmp_path / "x.pt")


def test_a_missing_checkpoint_is_not_looked_for_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from vocoders.core import model_source

    monkeypatch.setattr(model_source, "_download", lambda *_: pytest.fail("asked the hub"))
    assert "no such file" in problem("exp/checkpoint-00000001.pt")
