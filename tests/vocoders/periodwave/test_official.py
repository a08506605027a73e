"""Checkpoints in the layout of the reference implementation: what converts, and what is refused."""

import json

import pytest
import torch
from oracle import oracle_folder
from safetensors.torch import load_file

from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.flow import solve, time_grid
from vocoders.periodwave.official import convert

FOLDER = oracle_folder() / "periodwave"
pytestmark = pytest.mark.skipif(not (FOLDER / "base_small.safetensors").is_file(), reason=f"no tensors in {FOLDER}")


@pytest.fixture(scope="module")
def tensors():
    return load_file(FOLDER / "base_small.safetensors")


@pytest.fixture
def checkpoint(tensors, tmp_path):
    """Write G_1000000.pth beside its config.json."""
    state = {name.removeprefix("w."): value for name, value in tensors.items() if name.startswith("w.")}
    content = {"model": state, "iteration": 42, "optimizer": {"state": {}, "param_groups": []}, "learning_rate": 2e-4}
    torch.save(content, tmp_path / "G_1000000.pth")
    (tmp_path / "config.json").write_text((FOLDER / "ckpt_small/config.json").read_text())
    return tmp_path / "G_1000000.pth"


def _rewrite(path, change):
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


def test_converted_model_solves_as_recorded(checkpoint, tensors):
    model = convert(checkpoint, config=checkpoint.parent / "config.json")
    assert model.config.noise_scale == 0.5
    assert (model.config.mel.n_mels, model.config.mel.fmax, model.config.hidden_channels) == (100, 12000.0, 64)
    features = torch.cat([tensors["in.mel"], tensors["in.target_std"][..., ::256]], dim=1)
    with torch.no_grad():
        condition = model.encoder(features)
        solved = solve(
            lambda x, t: model.estimator(x, condition, t), tensors["solve.midpoint2.z"], time_grid(2), "midpoint"
        )
    torch.testing.assert_close(solved, tensors["solve.midpoint2.out"], atol=2e-5, rtol=0)


def test_command_line_converts(checkpoint, tmp_path):
    from typer.testing import CliRunner

    from recipes.cli.main import app

    output = tmp_path / "model"
    arguments = ["convert", str(checkpoint), "--family", "periodwave", "-o", str(output)]
    config = ["--config", str(checkpoint.parent / "config.json")]
    result = CliRunner().invoke(app, [*arguments, *config, "--variant", "turbo_base"])
    assert result.exit_code == 0, result.output
    stored = json.loads((output / "config.json").read_text())["config"]
    assert stored["sampling"]["steps"] == 4
    assert stored["hidden_channels"] == 64


def test_large_models_are_recognised_by_their_weights(tmp_path):
    tensors = load_file(FOLDER / "large_small.safetensors")
    state = {name.removeprefix("w."): value for name, value in tensors.items() if name.startswith("w.")}
    torch.save({"model": state}, tmp_path / "G_1.pth")
    data = json.loads((FOLDER / "ckpt_small/config.json").read_text())
    data["model"] |= {"hidden_dim": 96, "final_dim": 6}
    (tmp_path / "config.json").write_text(json.dumps(data))
    assert convert(tmp_path / "G_1.pth", config=tmp_path / "config.json").config.dilations == (1, 2, 1, 4)


def test_embedding_models_are_recognised_by_their_weights(tmp_path):
    tensors = load_file(FOLDER / "encodec_small.safetensors")
    state = {name.removeprefix("w."): value for name, value in tensors.items() if name.startswith("w.")}
    torch.save({"model": state}, tmp_path / "G_1.pth")
    data = json.loads((FOLDER / "ckpt_small/config.json").read_text())
    data["data"]["hop_length"] = 320
    data["model"]["noise_scale"] = 0.25
    (tmp_path / "config.json").write_text(json.dumps(data))
    config = convert(tmp_path / "G_1.pth", config=tmp_path / "config.json").config
    assert (config.condition, config.mel.n_mels, config.hop_length, config.energy) == ("embedding", 128, 320, None)


def test_missing_and_unexpected_keys_are_listed(checkpoint):
    _rewrite(checkpoint, lambda content: content["model"].pop("estimator.mlp.0.bias"))
    _rewrite(checkpoint, lambda content: content["model"].update({"estimator.extra": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match=r"1 missing: estimator\.embedding\.mlp\.0\.bias.*1 unexpected"):
        convert(checkpoint, config=checkpoint.parent / "config.json")


def test_prefixes_of_wrappers_are_taken_off(checkpoint):
    expected = convert(checkpoint, config=checkpoint.parent / "config.json").state_dict()

    def prefix(content):
        content["model"] = {f"module.{key}": value for key, value in content["model"].items()}

    _rewrite(checkpoint, prefix)
    found = convert(checkpoint, config=checkpoint.parent / "config.json").state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in found.items())


def test_size_that_does_not_fit_is_refused(checkpoint):
    with pytest.raises(CheckpointError, match="wrong shape"):
        convert(checkpoint, variant="small")


def test_a_configuration_is_needed(checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="--config"):
        convert(checkpoint)
    with pytest.raises(ConfigError, match="known variants"):
        convert(checkpoint, variant="gigantic")
    (tmp_path / "other.json").write_text('{"data": {"sampling_rate": 44100, "hop_length": 256}, "model": {}}')
    with pytest.raises(ConfigError, match="44100"):
        convert(checkpoint, config=tmp_path / "other.json")


def test_energy_statistics(checkpoint, tmp_path):
    import numpy as np

    np.savez(tmp_path / "energy.npz", energy_min=0.5, energy_max=8.0)
    model = convert(checkpoint, config=checkpoint.parent / "config.json", stats=tmp_path / "energy.npz")
    assert model.energy_range.tolist() == [0.5, 8.0]
    (tmp_path / "text.npz").write_text("nothing")
    with pytest.raises(CheckpointError, match="energy_min"):
        convert(checkpoint, config=checkpoint.parent / "config.json", stats=tmp_path / "text.npz")
