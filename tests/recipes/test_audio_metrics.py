"""Metrics of the evaluation in validations: of vocoders, of effects; what is undefined, fails or cannot run."""

import json

import numpy as np
import pytest
import soundfile
import torch

from recipes.audio_metrics import AudioMetrics
from recipes.build import restore_generator
from recipes.checkpoint import best_path, load_checkpoint
from recipes.config import TrainConfig
from recipes.data.corpora import find_folder
from recipes.data.preparation import prepare
from recipes.metrics import registry
from recipes.metrics.evaluation import measure
from recipes.metrics.mel import MelL1
from recipes.metrics.metric import UnavailableMetricError
from recipes.metrics.registry import create_metrics
from recipes.trainer import Trainer
from vocoders.core.errors import ConfigError

RATE = 8000
MEL = {"n_fft": 256, "hop_length": 16, "n_mels": 8, "sample_rate": RATE}
VOCODER = {"sample_rate": RATE, "channels": 8, "num_layers": 1, "pool": [4], "kernel_length": 400, "mel": MEL}
VOCODER |= {"s4": {"d_state": 8, "num_systems": None, "bidirectional": True}, "diffusion": {"num_steps": 4}}
VOCODER |= {"mel_upsample": [4, 4]}
PARTS = {
    "diffwave_sashimi": {"model": VOCODER, "objective": {"name": "diffusion"}},
    "graybox": {
        "model": {"sample_rate": RATE},
        "objective": {"name": "effect", "losses": {"esr": 1.0}},
        "effect": {"processor": "comp_4c", "pre_roll": 400, "valid_items": 4},
    },
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    generator = np.random.default_rng(0)
    (root / "wav").mkdir()
    for number in range(3):
        tone = 0.5 * np.sin(np.arange(6000 + 500 * number) * (0.1 + 0.1 * number))
        soundfile.write(root / "wav" / f"{number}.wav", tone + 0.05 * generator.standard_normal(len(tone)), RATE)
    prepare(find_folder(root / "wav"), root / "data")
    return root / "data"


def make_config(corpus, family, **trainer):
    options = {"max_steps": 4, "log_every": 1, "valid_every": 2, "checkpoint_every": 4, "num_threads": 1}
    data = {"train": str(corpus), "valid": str(corpus), "num_workers": 0, "segment_length": 1600, "batch_size": 2}
    options |= {"valid_clips": 3} | trainer
    return TrainConfig.from_dict(PARTS[family] | {"family": family, "data": data, "trainer": options})


def validations(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines if any(name.startswith("valid/") for name in line)}


def test_a_vocoder_is_measured_as_the_evaluation_measures_it(corpus, tmp_path):
    config = make_config(corpus, "diffwave_sashimi", valid_metrics=["si_sdr", "mel_l1"], best_metric="si_sdr")
    Trainer(config, tmp_path).run()
    found = validations(tmp_path)
    assert list(found) == [2, 4]
    trained = restore_generator(tmp_path)
    values = {"si_sdr": [], "mel_l1": []}
    dataset = config.task.utterances(corpus)
    for item in (dataset[number] for number in range(3)):
        output = trained.model.synthesize(features=item["features"][None])[0]
        for name, value in measure(item["audio"], output, RATE, create_metrics(values))[0].items():
            values[name].append(value)
    for name, each in values.items():
        assert found[4][f"metric/{name}"] == pytest.approx(np.mean(each), abs=1e-6)
    assert found[4]["metric/mel_l1"] != found[4]["valid/mel_l1"]
    best = load_checkpoint(best_path(tmp_path))
    assert best["step"] == max(found, key=lambda step: found[step]["metric/si_sdr"])
    assert best["best"]["metric"] == "metric/si_sdr"


def test_an_effect_is_measured_with_its_dry_audio(corpus, tmp_path):
    Trainer(make_config(corpus, "graybox", valid_metrics=["esr", "gain_trace"]), tmp_path).run()
    for line in validations(tmp_path).values():
        assert line["metric/esr"] == pytest.approx(line["valid/esr"], rel=1e-4)
        assert np.isfinite(line["metric/gain_trace"])


def test_measuring_changes_nothing_that_is_trained(corpus, tmp_path, monkeypatch):
    class Random(MelL1):
        def __init__(self):
            torch.randn(3)

        def measure(self, pair):
            return super().measure(pair) + 0 * float(torch.randn(1))

    monkeypatch.setitem(registry.METRICS, "mel_l1", Random)
    for name, metrics in (("with", ["mel_l1"]), ("without", [])):
        Trainer(make_config(corpus, "diffwave_sashimi", valid_metrics=metrics), tmp_path / name).run()
    one, two = (load_checkpoint(tmp_path / name / "checkpoints/checkpoint-00000004.pt") for name in ("with", "without"))
    assert torch.equal(one["rng"]["cpu"], two["rng"]["cpu"])
    for name, value in one["parts"]["generator"].items():
        assert torch.equal(value, two["parts"]["generator"][name]), name


def test_a_plateau_follows_the_loss_that_the_validation_gives(corpus, tmp_path):
    config = make_config(corpus, "diffwave_sashimi", valid_every=1).to_dict()
    config["scheduler"] = {"name": "plateau", "decay": 0.5, "patience": 9}
    Trainer(TrainConfig.from_dict(config), tmp_path).run()
    state = load_checkpoint(tmp_path / "checkpoints/checkpoint-00000004.pt")
    losses = [line["valid/mel_l1"] for line in validations(tmp_path).values()]
    assert state["plateau"]["best"] == pytest.approx(min(losses), rel=2e-4)


@pytest.mark.parametrize(
    ("short", "whole", "expected"),
    [(0, 3, True), (1, 2, True), (2, 2, True), (2, 1, False), (3, 0, False)],
)
def test_what_is_undefined_is_left_out_and_few_values_are_no_mean(short, whole, expected):
    metrics = AudioMetrics(["mel_l1"])
    audio = torch.rand(1, RATE) - 0.5
    scores = []
    for length in [100] * short + [RATE] * whole:  # mel_l1 is defined from 0.05 s on
        scores += metrics.scores(audio[:, :length], 0.5 * audio[:, :length], RATE)
    means = metrics.means(scores, 1)
    assert list(means) == (["metric/mel_l1"] if expected else [])
    if expected:
        assert means["metric/mel_l1"] == measure(audio, 0.5 * audio, RATE, create_metrics(["mel_l1"]))[0]["mel_l1"]
    assert metrics.means([], 2) == {}


def test_a_metric_that_fails_has_no_value(caplog):
    pytest.importorskip("pesq")
    metrics = AudioMetrics(["pesq"])
    audio = torch.sin(torch.arange(2 * 16000) * 0.05)[None] * torch.linspace(0, 9, 32000).sin()
    scores = metrics.scores(audio, audio, 16000)
    scores += metrics.scores(audio, torch.zeros_like(audio), 16000)  # a model that has collapsed
    assert metrics.means(scores, 1) == {}
    assert "metric/pesq: " in caplog.text


def test_metrics_that_cannot_be_computed_here(corpus, tmp_path, monkeypatch, caplog):
    with pytest.raises(ConfigError, match="without an effect"):
        Trainer(make_config(corpus, "diffwave_sashimi", valid_metrics=["gain_ccc"]), tmp_path / "a").run()

    def absent():
        raise UnavailableMetricError("UTMOS: no weights")

    monkeypatch.setitem(registry.METRICS, "utmos", absent)
    metrics = {"valid_metrics": ["mel_l1", "utmos"]}
    with pytest.raises(ConfigError, match="'metric/utmos'.* weights"):
        Trainer(make_config(corpus, "diffwave_sashimi", best_metric="utmos", **metrics), tmp_path / "b").run()
    assert not (tmp_path / "b" / "metrics.jsonl").exists()
    Trainer(make_config(corpus, "diffwave_sashimi", max_steps=1, **metrics), tmp_path / "c").run()
    assert "UTMOS: no weights" in caplog.text
    assert "metric/mel_l1" in validations(tmp_path / "c")[1]


@pytest.mark.parametrize(
    ("wanted", "metrics", "expected"),
    [
        (None, [], "valid/mel_l1"),
        ("level_db", [], "valid/level_db"),
        ("pesq", ["pesq"], "metric/pesq"),
        ("metric/mel_l1", ["mel_l1"], "metric/mel_l1"),
        ("periodicity", ["periodicity:swift"], "metric/periodicity"),
    ],
)
def test_which_value_decides(corpus, wanted, metrics, expected):
    config = make_config(corpus, "diffwave_sashimi", best_metric=wanted, valid_metrics=metrics)
    assert config.task.best_metric == expected


def test_two_values_of_one_name_need_the_whole_name(corpus):
    with pytest.raises(ConfigError, match="several values"):
        make_config(corpus, "diffwave_sashimi", best_metric="mel_l1", valid_metrics=["mel_l1"])
    # The floors of an effect are logged, but no model changes them.
    assert make_config(corpus, "graybox", best_metric="esr").task.best_metric == "valid/esr"
    with pytest.raises(ConfigError, match="valid/loss, valid/esr "):
        make_config(corpus, "graybox", best_metric="valid/esr_identity")
