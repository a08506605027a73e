"""A run goes on under another configuration: the change takes effect and is listed, or it is refused."""

import json
import logging
import os
import signal

import pytest

from recipes.config import TrainConfig
from recipes.data.config import DataConfig
from recipes.data.kaldi import KaldiDirectory
from recipes.resuming import check_changes, check_processes
from recipes.stopping import TrainingStopped
from recipes.tasks import Validator
from recipes.trainer import Trainer
from vocoders.core.errors import CheckpointError


def changed(config: TrainConfig, key: str, value) -> TrainConfig:
    values, (*path, last) = config.to_dict(), key.split(".")
    section = values
    for name in path:
        section = section[name]
    section[last] = value
    return TrainConfig.from_dict(values)


@pytest.fixture
def begun(corpus, make_config, tmp_path):
    """A run of two steps, and its configuration with more."""
    Trainer(make_config(corpus, max_steps=2), tmp_path / "run").run()
    return make_config(corpus, max_steps=3)


@pytest.mark.parametrize(("key", "value"), [("betas", (0.5, 0.6)), ("weight_decay", 0.1), ("eps", 1e-4)])
def test_settings_of_the_optimiser_take_effect_and_are_listed(begun, tmp_path, caplog, key, value):
    with caplog.at_level(logging.WARNING):
        trainer = Trainer(changed(begun, f"optimizer.{key}", value), tmp_path / "run", resume=True)
    assert f"optimizer.{key}" in caplog.text
    assert "trainer.max_steps 2 -> 3" in caplog.text
    for optimizer in trainer.optimizers.values():
        assert all(group[key] == value for group in optimizer.param_groups)
        assert optimizer.state_dict()["state"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("trainer.seed", 5), ("trainer.ema_decay", None), ("optimizer.decay_biases", False), ("model.channels", 8)],
)
def test_what_cannot_take_effect_is_refused(begun, tmp_path, key, value):
    with pytest.raises(CheckpointError, match=f"{key} is {value}, and was"):
        Trainer(changed(begun, key, value), tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("key", "value", "is_refused"), [("objective.feature_matching_weight", 3.0, False), ("model.drop_prob", 0.3, True)]
)
def test_a_default_that_is_given_is_a_change(begun, tmp_path, caplog, key, value, is_refused):
    section, name = key.split(".")
    assert name not in begun.to_dict()[section], "the configuration leaves it out"
    if is_refused:
        with pytest.raises(CheckpointError, match=key):
            Trainer(changed(begun, key, value), tmp_path / "run", resume=True)
        return
    with caplog.at_level(logging.WARNING):
        Trainer(changed(begun, key, value), tmp_path / "run", resume=True)
    assert f"{key} 2.0 -> 3.0" in caplog.text


def test_another_training_set_is_told(begun, corpus, tmp_path, caplog):
    directory = KaldiDirectory.read(corpus / "data")
    KaldiDirectory.write(tmp_path / "less", directory.utterances[:4])
    with caplog.at_level(logging.WARNING):
        Trainer(changed(begun, "data.train", str(tmp_path / "less")), tmp_path / "run", resume=True).run()
    assert "data.train" in caplog.text
    assert "training set was 5 utterances" in caplog.text


def test_an_interrupted_validation_is_made_up_for(corpus, make_config, tmp_path, monkeypatch):
    """Or a plateau of the loss would be seen later than without the interruption."""
    config = changed(make_config(corpus, max_steps=4, valid_every=2), "data.valid", str(corpus / "data"))
    config = changed(config, "scheduler", {"name": "plateau", "patience": 1})
    Trainer(config, tmp_path / "whole").run()

    measure = Validator.measure

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return measure(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Validator, "measure", interrupted)
        with pytest.raises(TrainingStopped):
            Trainer(config, tmp_path / "parts").run()
    resumed = Trainer(config, tmp_path / "parts", resume=True)
    assert resumed.step == 2
    resumed.run()
    values = [
        [
            value
            for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()
            if "valid/mel_l1" in (value := json.loads(line))
        ]
        for run in ("whole", "parts")
    ]
    assert [value["step"] for value in values[0]] == [2, 4]
    assert values[0] == values[1]


def test_nothing_is_said_when_nothing_has_changed(begun, make_config, corpus, tmp_path, caplog):
    Trainer(make_config(corpus, max_steps=2), tmp_path / "run", resume=True)
    assert "changed" not in caplog.text


def test_more_processes_are_told_with_the_batch_that_they_change():
    assert check_processes(DataConfig(batch_size=4), 2, 2) == []
    assert check_processes(DataConfig(batch_size=4), 4, 2) == ["processes 4 (a batch of 16) -> 2 (a batch of 8)"]
    assert check_processes(DataConfig(total_batch_size=16), 4, 2) == ["processes 4 -> 2"]


def test_losses_come_and_go_by_name():
    before = {"objective": {"losses": {"mel": 45.0, "stft": {"weight": 1.0}}}, "trainer": {"ema_decay": 0.9}}
    after = {"objective": {"losses": {"mel": 15.0, "stft": {"weight": 1.0}}}, "trainer": {"ema_decay": 0.9}}
    assert check_changes(before, after) == ["objective.losses.mel 45.0 -> 15.0"]
    del after["objective"]["losses"]["mel"]
    assert check_changes(before, after) == ["objective.losses.mel 45.0 -> None"]
    after["objective"]["losses"] = {"power_mel": {"weight": 2.0}}
    assert check_changes(before, after) == [
        "objective.losses.mel 45.0 -> None",
        "objective.losses.stft.weight 1.0 -> None",
        "objective.losses.power_mel.weight None -> 2.0",
    ]
    # An option that the version of the checkpoint did not have.
    after["trainer"]["new"] = 1
    assert len(check_changes(before, after)) == 3
