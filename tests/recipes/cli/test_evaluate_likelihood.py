"""`ondes evaluate likelihood`: the figures of a training's validation, and of simple models in closed form."""

import json

import numpy as np
import pytest
import soundfile

from recipes.build import restore_generator
from recipes.cli.main import main
from recipes.config import TrainConfig
from recipes.data.corpora import find_folder
from recipes.data.loader import build_piece_dataset
from recipes.data.preparation import prepare
from recipes.likelihood_evaluation import evaluate_likelihood
from recipes.metrics.bits import HistogramModel, MarkovModel
from recipes.objectives.likelihood import LikelihoodObjective, LikelihoodOptions
from recipes.tasks.waveforms import LossValidator
from recipes.trainer import Trainer
from vocoders.core.errors import ConfigError

LENGTHS = {"tone0": 1000, "tone1": 1400, "tone2": 1800}
ROWS = ["sashimi", "Markov chain of order 1", "histogram (order 0)", "uniform"]


def _train(folder, family, model, objective):
    config = {
        "family": family,
        "model": {"sample_rate": 8000, "channels": 8, "num_layers": 1, "pool": [4], "kernel_length": 400} | model,
        "data": {"train": str(folder / "data"), "num_workers": 0, "segment_length": 400, "batch_size": 2},
        "objective": {"name": objective},
        "optimizer": {"learning_rate": 1e-2},
        "scheduler": {"name": "constant"},
        "trainer": {"max_steps": 2, "num_threads": 1, "checkpoint_every": 2, "log_every": 1},
    }
    Trainer(TrainConfig.from_dict(config), folder / family).run()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three tones of different lengths, and a model of codes that was trained for two steps."""
    folder = tmp_path_factory.mktemp("likelihood")
    (folder / "wav").mkdir()
    for name, length in LENGTHS.items():
        soundfile.write(folder / "wav" / f"{name}.wav", 0.8 * np.sin(2 * np.pi * np.arange(length) / 20), 8000)
    prepare(find_folder(folder / "wav"), folder / "data")
    _train(folder, "sashimi", {"s4": {"d_state": 8}, "quantiser": {"bits": 4}}, "likelihood")
    return folder


def _run(folder, *options, data="data"):
    arguments = ["evaluate", "likelihood", "--exp", folder / "sashimi", "--data", folder / data, "--device", "cpu"]
    return main([str(word) for word in (*arguments, *options)])


def _codes(trained, dataset):
    return [trained.model.quantiser.encode(dataset[k]["audio"][0]).int().numpy() for k in range(len(dataset))]


@pytest.mark.parametrize("pieces", [0, 300])
@pytest.mark.parametrize("batch", [1, 2])
def test_means_over_all_samples_are_those_of_validation_and_closed_forms(folder, tmp_path, capsys, pieces, batch):
    out = tmp_path / "r.json"
    assert _run(folder, "--out", out, "--pieces", pieces, "--batch", batch, "--markdown", tmp_path / "R.md") == 0
    found = json.loads(out.read_text())
    trained = restore_generator(folder / "sashimi")
    dataset = build_piece_dataset(trained.config.data, trained.config.front_end, folder / "data", pieces or None)
    objective = LikelihoodObjective(LikelihoodOptions(), trained.model)
    codes = _codes(trained, dataset)
    chain = MarkovModel(codes, 16, trained.model.quantiser.zero_code)
    expected = {
        "sashimi": LossValidator(dataset, objective, 3).run(trained.model, 0)["valid/bits"],
        "Markov chain of order 1": sum(map(chain.bits, codes)) / 4200,
        "histogram (order 0)": sum(map(HistogramModel(codes, 16).bits, codes)) / 4200,
        "uniform": 4.0,
    }
    assert list(found["bits_per_sample"]) == list(found["systems"]) == ROWS
    assert found["bits_per_sample"] == pytest.approx(expected, rel=1e-5)
    assert (found["samples"], found["step"]) == (4200, 2)
    # Each file is an utterance, or a piece of one, and has a name of its own.
    files = [file for file in found["files"] if file["system"] == "sashimi"]
    assert len({file["utt_id"] for file in files}) == len(files) == len(dataset)
    total = sum(file["values"]["bits_per_sample"] * file["duration"] * 8000 for file in files)
    assert total / 4200 == pytest.approx(expected["sashimi"], rel=1e-5)
    mean = np.mean([file["values"]["bits_per_sample"] for file in files])
    assert found["systems"]["sashimi"]["bits_per_sample"]["mean"] == pytest.approx(mean)
    for text in (capsys.readouterr().out, (tmp_path / "R.md").read_text()):
        assert "4,200 samples" in text
        assert f"sashimi {expected['sashimi']:.4f}" in text
        assert f"| uniform | {len(dataset)} | 4.0000 [4.0000, 4.0000] |" in text


def test_utterances_computed_together_give_the_same_values(folder):
    results = [
        evaluate_likelihood(folder / "sashimi", folder / "data", batch_size=size, device="cpu") for size in (1, 2, 3)
    ]
    assert [score.utt_id for score in results[0].scores] == [*LENGTHS] * len(ROWS)
    values = [[score.values["bits_per_sample"] for score in result.scores] for result in results]
    assert values[1] == pytest.approx(values[0], rel=1e-5)
    assert values[2] == pytest.approx(values[0], rel=1e-5)


def test_simple_models_count_what_train_names_and_the_row_has_a_name(folder, tmp_path):
    (tmp_path / "wav").mkdir()
    soundfile.write(tmp_path / "wav" / "noise.wav", np.random.default_rng(0).uniform(-1, 1, 4000), 8000)
    prepare(find_folder(tmp_path / "wav"), tmp_path / "noise")
    assert _run(folder, "--train", tmp_path / "noise", "--name", "mine", "--out", tmp_path / "r.json") == 0
    found = json.loads((tmp_path / "r.json").read_text())["bits_per_sample"]
    assert list(found) == ["mine", *ROWS[1:]]
    trained = restore_generator(folder / "sashimi")
    parts = (trained.config.data, trained.config.front_end)
    seen, unseen = (
        _codes(trained, build_piece_dataset(*parts, path)) for path in (tmp_path / "noise", folder / "data")
    )
    expected = sum(map(HistogramModel(seen, 16).bits, unseen)) / 4200
    assert found["histogram (order 0)"] == pytest.approx(expected)


def test_a_run_without_a_likelihood_is_refused(folder, capsys):
    model = {"s4": {"d_state": 8, "num_systems": None, "bidirectional": True}, "diffusion": {"num_steps": 10}}
    _train(folder, "diffwave_sashimi", model, "diffusion")
    with pytest.raises(ConfigError, match="'diffusion'"):
        evaluate_likelihood(folder / "diffwave_sashimi", folder / "data", device="cpu")
    capsys.readouterr()
    assert main(["evaluate", "likelihood", "--exp", str(folder / "sashimi")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
