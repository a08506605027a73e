"""The best checkpoint: found in the middle of a run, kept, resumed, packed; and how a checkpoint is chosen."""

import json
import logging
import math
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_models import SASHIMI

from recipes.best import BestCheckpoint
from recipes.build import restore_generator
from recipes.checkpoint import best_path, find_checkpoints, load_checkpoint, save_checkpoint
from recipes.cli.main import main
from recipes.config import TrainConfig
from recipes.data.corpora import find_folder
from recipes.data.preparation import prepare
from recipes.metrics.metric import Direction
from recipes.trainer import Trainer
from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.registry import load


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Tones to train on, and other tones to validate on: what is learned of the ones soon harms the others."""
    root = tmp_path_factory.mktemp("corpus")
    for name, period in (("train", 20), ("valid", 23)):
        (root / name / "wav").mkdir(parents=True)
        for number in range(3):
            tone = 0.8 * np.sin(2 * np.pi * np.arange(1000 + 200 * number) / period)
            soundfile.write(root / name / "wav" / f"tone{number}.wav", tone, 8000)
        prepare(find_folder(root / name / "wav"), root / name / "data")
    return root


def make_config(corpus: Path, valid: bool = True, **trainer) -> TrainConfig:
    options = {"max_steps": 60, "log_every": 10, "valid_every": 5, "checkpoint_every": 10, "keep_checkpoints": 1}
    data = {"train": str(corpus / "train/data"), "valid": str(corpus / "valid/data") if valid else None}
    return TrainConfig.from_dict(
        {
            "family": "sashimi",
            "model": SASHIMI,
            "data": data | {"segment_length": 400, "batch_size": 2, "num_workers": 0},
            "objective": {"name": "likelihood"},
            "optimizer": {"learning_rate": 1e-2, "betas": [0.9, 0.99], "system_learning_rate": 1e-3},
            "scheduler": {"name": "constant"},
            "trainer": options | {"ema_decay": 0.5, "num_threads": 1} | trainer,
        }
    )


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory) -> Path:
    """A run whose best validation is in its middle."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    Trainer(make_config(corpus), folder).run()
    return folder


def validations(run: Path, name: str = "valid/loss") -> dict[int, dict]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines if name in line}


def test_the_best_in_the_middle_of_a_run_outlives_the_checkpoints_around_it(run):
    losses = {step: line["valid/loss"] for step, line in validations(run).items()}
    wanted = min(losses, key=losses.get)
    assert 5 < wanted < 60
    assert losses[60] > losses[wanted]
    assert [path.name for path in find_checkpoints(run / "checkpoints")] == ["checkpoint-00000060.pt"]
    state = load_checkpoint(best_path(run))
    assert state["step"] == wanted
    assert state["best"]["metric"] == "valid/loss"
    assert state["best"]["value"] == pytest.approx(losses[wanted], abs=1e-6)
    # The curve of the best so far falls to that value and stays there.
    curve = [line["best/valid/loss"] for line in validations(run).values()]
    assert curve == [min(list(losses.values())[: n + 1]) for n in range(len(losses))]


def test_what_was_validated_is_what_is_restored_and_packed(corpus, run, tmp_path):
    """Moved to another place, and with an average of the weights: its loss is the one that was logged."""
    from recipes.objectives.likelihood import LikelihoodObjective, LikelihoodOptions

    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    trained = restore_generator(moved, "best")
    best = load_checkpoint(best_path(run))
    assert trained.step == best["step"] != 60
    objective = LikelihoodObjective(LikelihoodOptions(), trained.model)
    validator = make_config(corpus).task.validator(objective, tmp_path / "v")
    assert validator.run(trained.model, 0)["valid/loss"] == best["best"]["value"]
    assert main(["pack", "--exp", str(moved), "-o", str(tmp_path / "model"), "--checkpoint", "best"]) == 0
    packed = load(str(tmp_path / "model")).state_dict()
    assert all(torch.equal(value, packed[name]) for name, value in trained.model.state_dict().items())
    last = restore_generator(moved).model.state_dict()
    assert any(not torch.equal(value, last[name]) for name, value in packed.items())


def test_the_best_of_a_resumed_run_is_that_of_an_uninterrupted_one(corpus, run, tmp_path):
    best = load_checkpoint(best_path(run))
    # Stopped before, at and behind the best one.
    for stop in (best["step"] - 5, best["step"], best["step"] + 10):
        parts = tmp_path / str(stop)
        Trainer(make_config(corpus, max_steps=stop), parts).run()
        Trainer(make_config(corpus), parts, resume=True).run()
        found = load_checkpoint(best_path(parts))
        assert (found["step"], found["best"]) == (best["step"], best["best"])
        for name, value in best["parts"]["generator"].items():
            assert torch.equal(value, found["parts"]["generator"][name]), name
        assert validations(parts) == validations(run)


def test_another_metric_after_a_resume_searches_anew(corpus, tmp_path, caplog):
    Trainer(make_config(corpus, max_steps=10), tmp_path).run()
    with caplog.at_level(logging.WARNING):
        Trainer(make_config(corpus, max_steps=15, best_metric="valid/bits"), tmp_path, resume=True).run()
    assert "valid/loss" in caplog.text
    assert "valid/bits" in caplog.text
    state = load_checkpoint(best_path(tmp_path))
    assert (state["step"], state["best"]["metric"]) == (15, "valid/bits")


def test_other_validation_data_after_a_resume_are_told(corpus, tmp_path, caplog):
    Trainer(make_config(corpus, max_steps=5), tmp_path).run()
    config = make_config(corpus, max_steps=6).to_dict()
    config["data"]["valid"] = config["data"]["train"]
    with caplog.at_level(logging.WARNING):
        Trainer(TrainConfig.from_dict(config), tmp_path, resume=True).run()
    assert "was measured on" in caplog.text


def test_a_run_that_begins_keeps_nothing_of_one_before(corpus, tmp_path):
    config = make_config(corpus, max_steps=5)
    best_path(tmp_path).write_bytes(b"of a run that was killed before its first checkpoint")
    Trainer(config, tmp_path).run()
    assert load_checkpoint(best_path(tmp_path))["step"] == 5


def test_a_damaged_best_is_a_warning(corpus, tmp_path, caplog):
    Trainer(make_config(corpus, max_steps=5), tmp_path).run()
    best_path(tmp_path).write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        Trainer(make_config(corpus, max_steps=10), tmp_path, resume=True).run()
    assert "starts anew" in caplog.text
    assert load_checkpoint(best_path(tmp_path))["step"] == 10


NAN = math.nan


@pytest.mark.parametrize(
    ("direction", "values", "winner"),
    [
        (Direction.LOWER, [3, 1, 2], 2),
        (Direction.HIGHER, [3, 1, 2], 1),
        (Direction.ZERO, [-3, 1, -0.5, 2], 3),
        (Direction.LOWER, [1, 1, 1], 1),  # of equal values the earlier one
        (Direction.ZERO, [2, -2], 1),
        (Direction.LOWER, [NAN, 2, NAN, 3], 2),
        (Direction.HIGHER, [math.inf, 2, NAN], 2),
        (Direction.LOWER, [-math.inf, None, 2], 3),  # None: no such value in this validation
        (Direction.LOWER, [NAN, None], None),
    ],
)
@pytest.mark.parametrize("interrupted", [False, True])
def test_which_value_wins(corpus, tmp_path, direction, values, winner, interrupted):
    config = make_config(corpus)
    state = {"family": "sashimi", "config": config.to_dict(), "parts": {}}
    best = BestCheckpoint(tmp_path, "valid/loss", direction, config.data.valid, resumed=False)
    for step, value in enumerate(values, start=1):
        if interrupted:
            best = BestCheckpoint(tmp_path, "valid/loss", direction, config.data.valid, resumed=True)
        told = best.update(step, {} if value is None else {"valid/loss": value}, lambda: state)
        assert all(math.isfinite(number) for number in told.values())
    assert best_path(tmp_path).exists() == (winner is not None)
    if winner is not None:
        assert load_checkpoint(best_path(tmp_path))["step"] == winner


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"best_metric": "valid/los"}, "'valid/loss'.*valid/loss, valid/bits"),
        ({"best_metric": "metric/pesq"}, "one of valid/loss, valid/bits"),
        ({"best_metric": ""}, "expected one of"),
        ({"valid_metrics": ["pesq"]}, "makes no audio"),
        ({"valid_metrics": ["peqs"]}, "did you mean 'pesq'"),
    ],
)
def test_wrong_names_are_refused_before_anything_runs(corpus, options, match):
    with pytest.raises(ConfigError, match=match):
        make_config(corpus, **options)


def test_a_name_without_its_group_is_understood(corpus):
    assert make_config(corpus, best_metric="bits").task.best_metric == "valid/bits"
    assert make_config(corpus).task.best_metric == "valid/loss"


def test_a_best_metric_needs_validations(corpus, tmp_path):
    with pytest.raises(ConfigError, match=r"set data\.valid"):
        Trainer(make_config(corpus, valid=False, best_metric="valid/loss"), tmp_path)


def test_a_run_without_a_best_one_says_what_to_do(corpus, tmp_path):
    Trainer(make_config(corpus, valid=False, max_steps=2), tmp_path).run()
    assert not best_path(tmp_path).exists()
    with pytest.raises(CheckpointError, match=r"data\.valid.*'last'.* 2"):
        restore_generator(tmp_path, "best")


@pytest.mark.parametrize("kind", ["best", "last", "step", "step of the best", "file", "path"])
def test_checkpoints_are_chosen(run, kind):
    best = load_checkpoint(best_path(run))["step"]
    file = find_checkpoints(run / "checkpoints")[0]
    choices = {"best": ("best", best), "last": ("last", 60), "step": ("60", 60), "step of the best": (str(best), best)}
    choices |= {"file": (str(file), 60), "path": (best_path(run), best)}
    choice, step = choices[kind]
    assert restore_generator(run, choice).step == step


@pytest.mark.parametrize("choice", ["7", "bset", "", "/none/checkpoint.pt", ".", "-1"])
def test_what_a_run_does_not_hold_is_refused_with_what_it_holds(run, choice):
    with pytest.raises(CheckpointError, match="'best', 'last'.* 60") as caught:
        restore_generator(run, choice)
    assert "\n" not in str(caught.value)


def test_a_file_of_something_else_is_refused(run, tmp_path):
    for content in ({"model": {}}, torch.zeros(2)):
        torch.save(content, tmp_path / "other.pt")
        with pytest.raises(CheckpointError, match="no checkpoint"):
            restore_generator(run, str(tmp_path / "other.pt"))


def test_every_command_takes_the_best(corpus, run, tmp_path, capsys):
    step, data = load_checkpoint(best_path(run))["step"], ["--data", str(corpus / "valid/data"), "--device", "cpu"]
    chosen = ["--exp", str(run), "--checkpoint", "best"]
    assert main(["evaluate", "likelihood", *chosen, *data, "--out", str(tmp_path / "likelihood.json")]) == 0
    assert json.loads((tmp_path / "likelihood.json").read_text())["step"] == step
    values = {}
    for name in ("best", "last"):
        out = str(tmp_path / f"{name}.json")
        assert main(["evaluate", "likelihood", "--exp", str(run), "--checkpoint", name, *data, "--out", out]) == 0
        values[name] = json.loads(Path(out).read_text())["systems"]["sashimi"]["bits_per_sample"]["mean"]
    assert values["best"] < values["last"]
    capsys.readouterr()
    # There are no features to synthesise from.
    assert main(["decode", *chosen, *data, "--output", str(tmp_path / "decoded")]) == 2
    assert capsys.readouterr().err.count("error: ") == 1


def test_a_full_disk_leaves_the_best_one_before(corpus, tmp_path, monkeypatch):
    config = make_config(corpus)
    state = {"family": "sashimi", "config": config.to_dict(), "parts": {}}
    best = BestCheckpoint(tmp_path, "valid/loss", Direction.LOWER, config.data.valid, resumed=False)
    best.update(1, {"valid/loss": 2.0}, lambda: state)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(CheckpointError, match="untouched"):
        best.update(2, {"valid/loss": 1.0}, lambda: state)
    monkeypatch.undo()
    assert load_checkpoint(best_path(tmp_path))["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def test_pruning_never_touches_the_best(tmp_path):
    best_path(tmp_path).write_bytes(b"mine")
    for step in range(1, 6):
        save_checkpoint(tmp_path / "checkpoints", step, {}, keep=1)
    assert best_path(tmp_path).read_bytes() == b"mine"


@pytest.mark.slow
def test_of_two_processes_one_writes_the_best(corpus, tmp_path):
    (tmp_path / "run.yaml").write_text(make_config(corpus, max_steps=20).to_yaml())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={port}"]
    command += [
        "-m",
        "recipes.cli.main",
        "train",
        "--config",
        str(tmp_path / "run.yaml"),
        "--exp",
        str(tmp_path / "run"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    for options in (["trainer.max_steps=10"], ["--resume"]):
        done = subprocess.run(
            [*command, *options],
            env=environment,
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    losses = {step: line["valid/loss"] for step, line in validations(tmp_path / "run").items()}
    assert list(losses) == [5, 10, 15, 20]
    state = load_checkpoint(best_path(tmp_path / "run"))
    assert state["step"] == min(losses, key=losses.get)
    assert state["best"]["value"] == pytest.approx(min(losses.values()), abs=1e-6)
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert len(lines) == 2 + 4  # every step is logged once
