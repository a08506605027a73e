"""Kinds of training: which one a run is, what each refuses, and starting from the weights of another run."""

import numpy as np
import pytest
import soundfile
import torch

from recipes.build import build_generator, start_generator
from recipes.config import TrainConfig
from recipes.data.config import DataConfig
from recipes.data.corpora import find_folder
from recipes.data.preparation import prepare
from recipes.objectives import OBJECTIVES, DiffusionObjective, LikelihoodObjective
from recipes.sections import TrainerConfig
from recipes.tasks import EffectsTask, FeaturesTask, PitchTask, Task, WaveformsTask
from recipes.trainer import Trainer
from vocoders.core.errors import ConfigError

RATE = 8000
SASHIMI = {"sample_rate": RATE, "channels": 4, "num_layers": 1, "pool": [4], "kernel_length": 400, "s4": {"d_state": 8}}
MEL = {"sample_rate": 16000, "n_fft": 512, "hop_length": 256, "n_mels": 8}
DIFFUSION = {"family": "diffwave_sashimi", "objective": {"name": "diffusion"}}
EFFECT = {
    "family": "graybox",
    "model": {"sample_rate": RATE},
    "objective": {"name": "effect", "losses": {"esr": 1.0}},
    "effect": {"processor": "comp_4c", "pre_roll": 400, "valid_items": 2},
}


@pytest.mark.parametrize(
    ("run", "task", "line"),
    [
        ({"family": "wavehax"}, FeaturesTask, "mel"),
        ({"family": "periodwave", "objective": {"name": "flow_matching"}}, FeaturesTask, "mel"),
        ({"family": "sashimi", "objective": {"name": "likelihood"}}, WaveformsTask, "audio 16000 Hz"),
        (DIFFUSION, WaveformsTask, "audio 16000 Hz"),
        (DIFFUSION | {"model": {"mel": MEL}}, FeaturesTask, "mel"),
        (EFFECT, EffectsTask, "audio 8000 Hz"),
        ({"family": "mel_pitch", "objective": {"name": "pitch"}}, PitchTask, "mel"),
    ],
)
def test_the_task_follows_from_what_models_of_the_family_do(run: dict, task: type[Task], line: str) -> None:
    config = TrainConfig.from_dict(run)
    assert type(config.task) is task
    assert config.front_end is not None
    assert config.front_end.fingerprint.startswith(line)
    assert (config.front_end.mel is None) == (config.front_end.hop_length == 1)
    # What validations give is known before anything is built.
    assert config.task.best_metric == config.task.value_names[0]
    assert TrainConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ({"family": "sashimi"}, "sashimi.* 'generator'.* 'vocoder'"),
        (
            {"family": "wavehax", "objective": {"name": "likelihood"}},
            "'vocoder'.* 'generator'",
        ),
        (EFFECT | {"objective": {"name": "gan"}}, "'effect'.* 'vocoder'"),
        (EFFECT | {"effect": None}, "'effect' is missing"),
        (EFFECT | {"effect": {"processr": "comp_4c"}}, r"'effect\.processr'.* 'processor'"),
        (EFFECT | {"effect": {"device": "la3a", "synthetic": 0.0}}, "unknown device 'la3a'"),
        ({"family": "wavehax", "effect": {"processor": "comp_4c"}}, "wavehax"),
        ({"family": "mel_pitch"}, "'pitch'.* 'vocoder'"),
        (
            EFFECT | {"objective": {"name": "effect", "truncate": 9}, "trainer": {"accumulate": 2}},
            "objective.truncate .*trainer.accumulate",
        ),
        ({"family": "wavehx"}, "did you mean 'wavehax'"),
        ({"family": "wavehax", "objective": {"name": "gun"}}, "did you mean 'gan'"),
        ({"family": "wavehax", "objective": {}}, "unknown objective 'None'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(run: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        TrainConfig.from_dict(run)
    assert "\n" not in str(caught.value)


def test_an_objective_of_a_stranger_that_is_none_is_refused(monkeypatch) -> None:
    monkeypatch.setitem(OBJECTIVES, "mine", torch.nn.Module)
    with pytest.raises(ConfigError, match="Module .*derive"):
        TrainConfig.from_dict({"family": "wavehax", "objective": {"name": "mine"}})


def test_an_objective_says_for_itself_what_it_trains(monkeypatch) -> None:
    class Mine(LikelihoodObjective):
        kinds = ("vocoder",)

    monkeypatch.setitem(OBJECTIVES, "likelihood", Mine)
    with pytest.raises(ConfigError, match="trains 'vocoder'"):
        TrainConfig.from_dict({"family": "sashimi", "objective": {"name": "likelihood"}})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A tone with some noise."""
    root = tmp_path_factory.mktemp("corpus")
    (root / "wav").mkdir()
    tone = 0.5 * np.sin(np.arange(4000) * 0.2) + 0.05 * np.random.default_rng(0).standard_normal(4000)
    soundfile.write(root / "wav" / "tone.wav", tone, RATE)
    prepare(find_folder(root / "wav"), root / "data")
    return root / "data"


def test_an_effect_starts_from_a_run_whose_knobs_come_from_its_processor(corpus, tmp_path) -> None:
    data = {"train": str(corpus), "num_workers": 0, "segment_length": 800, "batch_size": 1}
    trainer = {"max_steps": 1, "log_every": 1, "num_threads": 1}
    config = TrainConfig.from_dict(EFFECT | {"data": data, "trainer": trainer})
    assert "knobs" not in config.model
    Trainer(config, tmp_path / "first").run()
    second = Trainer(config, tmp_path / "second", initial=tmp_path / "first")
    first = Trainer(config, tmp_path / "first", resume=True).generator.state_dict()
    assert first
    for name, value in second.generator.state_dict().items():
        assert torch.equal(value, first[name]), name


def test_where_a_run_starts_changes_none_of_its_random_numbers() -> None:
    config = TrainConfig.from_dict({"family": "sashimi", "model": SASHIMI, "objective": {"name": "likelihood"}})
    state = {"config": config.to_dict(), "parts": {"generator": build_generator(config).state_dict()}}
    generator, before = build_generator(config), torch.get_rng_state()
    start_generator(config, generator, state)
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in generator.state_dict().items():
        assert torch.equal(value, state["parts"]["generator"][name]), name


def test_training_on_features_needs_a_mel(tmp_path) -> None:
    task = FeaturesTask("diffwave_sashimi", {}, None, DataConfig(), TrainerConfig(), DiffusionObjective)
    with pytest.raises(ConfigError, match="mel"):
        task.utterances(tmp_path)


def test_a_model_starts_from_the_variant_that_it_names() -> None:
    run = EFFECT | {"family": "wavenet", "model": {"variant": "nano", "sample_rate": RATE}}
    config = TrainConfig.from_dict(run)
    assert [array.channels for array in config.task.model.arrays] == [4, 2]
    assert (config.task.model.sample_rate, config.task.model.knobs.names[0]) == (RATE, "threshold")
    assert TrainConfig.from_dict(config.to_dict()).task.model == config.task.model
    with pytest.raises(ConfigError, match="feather"):
        TrainConfig.from_dict(run | {"model": {"variant": "huge"}})
