"""The trainer: exact resume, processes, learning, and what survives an interruption."""

import json
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.build import restore_generator
from recipes.checkpoint import find_checkpoints, load_checkpoint
from recipes.config import TrainConfig
from recipes.trainer import Trainer
from vocoders.core.errors import CheckpointError, ConfigError


def train(config: TrainConfig, folder: Path, **options) -> dict:
    Trainer(config, folder, **options).run()
    return load_checkpoint(find_checkpoints(folder / "checkpoints")[-1])


def assert_same(first, second, path="state"):
    assert type(first) is type(second), path
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            assert_same(first[key], second[key], f"{path}.{key}")
    elif isinstance(first, (list, tuple)):
        for index, pair in enumerate(zip(first, second, strict=True)):
            assert_same(*pair, f"{path}.{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), path
    else:
        assert first == second, path


def test_ten_steps_equal_five_and_five_more(corpus, make_config, tmp_path):
    whole = train(make_config(corpus), tmp_path / "whole")
    train(make_config(corpus, max_steps=5), tmp_path / "parts")
    parts = train(make_config(corpus), tmp_path / "parts", resume=True)
    assert whole["step"] == parts["step"] == 10
    for key in ("parts", "optimizers", "ema", "rng"):
        assert_same(whole[key], parts[key], key)
    steps = [json.loads(line)["step"] for line in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 11))


def test_training_lowers_the_mel_distance(corpus, make_config, tmp_path):
    config = make_config(corpus, max_steps=60).to_dict()
    config["model"] = config["model"] | {"prior_shaping": "none"}
    config["optimizer"] = config["optimizer"] | {"learning_rate": 3e-3}
    train(TrainConfig.from_dict(config), tmp_path)
    values = [json.loads(line)["loss/mel"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert np.mean(values[-5:]) < 0.6 * np.mean(values[:5])


def test_without_discriminators_only_reconstruction_teaches(corpus, make_config, tmp_path):
    """As with discriminators whose first step never comes; a run cannot change between the two."""
    config = make_config(corpus, max_steps=3).to_dict()
    without, waiting = (
        TrainConfig.from_dict(config | {"objective": config["objective"] | options})
        for options in ({"discriminators": {}}, {"adversarial_start": 99, "discriminator_start": 99})
    )
    alone, beside = train(without, tmp_path / "without"), train(waiting, tmp_path / "waiting")
    assert list(alone["parts"]) == list(alone["optimizers"]) == ["generator"]
    assert_same(alone["parts"]["generator"], beside["parts"]["generator"])
    with pytest.raises(CheckpointError, match="no 'discriminator'"):
        train(waiting, tmp_path / "without", resume=True)


def test_the_average_is_what_is_restored(corpus, make_config, tmp_path):
    state = train(make_config(corpus), tmp_path)
    trained = restore_generator(tmp_path)
    assert trained.step == 10
    name = "network.output_proj.bias"
    assert torch.equal(trained.model.state_dict()[name], state["ema"][f"module.{name}"])
    assert not torch.equal(trained.model.state_dict()[name], state["parts"]["generator"][name])


def test_a_folder_with_a_run_is_not_overwritten(corpus, make_config, tmp_path):
    train(make_config(corpus, max_steps=1), tmp_path)
    with pytest.raises(ConfigError, match="--resume"):
        Trainer(make_config(corpus), tmp_path)


def test_another_model_configuration_does_not_resume(corpus, make_config, tmp_path):
    train(make_config(corpus, max_steps=1), tmp_path)
    config = make_config(corpus).to_dict()
    config["model"] = config["model"] | {"channels": 8}
    with pytest.raises(CheckpointError, match=r"model\.channels is 8, and was 4"):
        Trainer(TrainConfig.from_dict(config), tmp_path, resume=True)


def test_initial_weights_start_a_new_run(corpus, make_config, tmp_path):
    state = train(make_config(corpus, max_steps=2), tmp_path / "first")
    checkpoint = find_checkpoints(tmp_path / "first" / "checkpoints")[-1]
    trainer = Trainer(make_config(corpus), tmp_path / "second", initial=checkpoint)
    assert trainer.step == 0
    name = "network.output_proj.bias"
    assert torch.equal(trainer.parts["generator"].state_dict()[name], state["ema"][f"module.{name}"])


def test_initial_weights_of_another_mel_are_refused(corpus, make_config, tmp_path):
    train(make_config(corpus, max_steps=1), tmp_path / "first")
    config = make_config(corpus).to_dict()
    config["model"] = config["model"] | {"mel": {**config["model"]["mel"], "fmax": 7000.0}}
    config["data"] = config["data"] | {"feature_dir": None}
    with pytest.raises(CheckpointError, match="features.* 0-7000 Hz"):
        Trainer(TrainConfig.from_dict(config), tmp_path / "second", initial=tmp_path / "first")


def test_a_bare_no_in_yaml_is_full_precision(corpus, make_config, tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(make_config(corpus).to_yaml())
    assert TrainConfig.from_yaml(path, ["trainer.precision=no"]).trainer.precision == "no"


def test_statistics_of_another_front_end_are_refused(corpus, make_config, tmp_path):
    config = make_config(corpus).to_dict()
    config["model"] = config["model"] | {"mel": {**config["model"]["mel"], "fmax": 7000.0}}
    with pytest.raises(Exception, match="0-7000 Hz"):
        Trainer(TrainConfig.from_dict(config), tmp_path)


@pytest.mark.slow
def test_two_processes_equal_one(corpus, make_config, launch, free_port, tmp_path):
    """Gradients are averaged over processes, for the generator too."""
    one = train(make_config(corpus, max_steps=3, ema_decay=None), tmp_path / "one")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={free_port()}"]
    overrides = ["trainer.max_steps=3", "data.batch_size=2", "trainer.ema_decay=null"]
    process = launch(tmp_path / "two", torchrun, *overrides, ACCELERATE_USE_CPU="true")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-2000:]
    two = load_checkpoint(find_checkpoints(tmp_path / "two" / "checkpoints")[-1])
    for part, state in one["parts"].items():
        for name, value in state.items():
            torch.testing.assert_close(two["parts"][part][name], value, atol=2e-4, rtol=1e-3, msg=f"{part}.{name}")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGKILL, -9)])
def test_an_interrupted_run_leaves_whole_checkpoints(launch, tmp_path, number, code):
    folder = tmp_path / "run"
    process = launch(folder, [sys.executable], "trainer.max_steps=100000", "trainer.checkpoint_every=2")
    deadline = time.monotonic() + 120
    while not find_checkpoints(folder / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == code, output[-2000:]
    assert "Traceback" not in output
    checkpoints = find_checkpoints(folder / "checkpoints")
    assert checkpoints
    for path in checkpoints:
        load_checkpoint(path)
