"""PeriodWave-Turbo's objective: order of updates, gradients through the solver, processes, and where it starts."""

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

import recipes.trainer
from recipes.checkpoint import find_checkpoints, load_initial_state
from recipes.config import TrainConfig
from recipes.data.corpora import find_folder
from recipes.data.preparation import prepare
from recipes.objectives import OBJECTIVES, TurboObjective, TurboOptions
from recipes.trainer import Trainer
from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.periodwave import PeriodWave, PeriodWaveConfig

PROCESS = Path(__file__).with_name("turbo_process.py")


def _load_process():
    spec = spec_from_file_location("turbo_process", PROCESS)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


process = _load_process()


def test_defaults_are_the_published_ones() -> None:
    options = TurboOptions()
    assert options.reconstruction == {"turbo_mel": 45.0}
    assert (options.adversarial, options.average) == ("mse", False)
    assert (options.feature_matching_weight, options.adversarial_weight) == (2.0, 1.0)
    assert options.discriminators == {"mpd": {"score_is_feature": True}, "ms_sb_cqt": {}}
    assert OBJECTIVES["turbo"].Options.from_dict({"name": "turbo"}, "turbo") == options


def test_discriminators_are_trained_first_and_score_the_generator_after_that() -> None:
    objective, parts = process.make_parts()
    batch, seen = process.make_batch(), []

    def update(name: str, loss: Tensor) -> float:
        parts[name].zero_grad()
        loss.backward()
        seen.append(name)
        with torch.no_grad():
            for parameter in parts[name].parameters():
                parameter -= 0.05 * parameter.grad
                assert name == "discriminator" or parameter.grad.abs().max() > 0
        assert all(p.grad is None for p in parts["generator"].parameters()) or name == "generator"
        return 0.0

    with torch.no_grad():
        fake = parts["generator"](**parts["generator"].draw_inputs(batch))
        before = objective.adversarial.generator(objective.discriminator(fake)[0])
    log = objective.training_step(parts, batch, 0, update)
    with torch.no_grad():
        after = objective.adversarial.generator(objective.discriminator(fake)[0])
    assert seen == ["discriminator", "generator"]
    torch.testing.assert_close(log["loss/adversarial"], after)
    assert abs(before - after) > 1e-3
    total = 45 * log["loss/turbo_mel"] + log["loss/adversarial"] + 2 * log["loss/feature_matching"]
    torch.testing.assert_close(log["loss/generator"], total)


def test_gradient_passes_through_every_step_of_the_solver() -> None:
    objective, parts = process.make_parts()
    generator, batch = parts["generator"], process.make_batch()
    inputs = generator.draw_inputs(batch)

    def loss() -> Tensor:
        return objective.reconstruction(generator(**inputs), batch["audio"])[0]

    parameters = list(generator.parameters())
    gradients = torch.autograd.grad(loss(), parameters)
    noise = torch.Generator().manual_seed(2)
    direction = [torch.randn(p.shape, dtype=p.dtype, generator=noise) for p in parameters]
    slope = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True))
    step, values = 1e-7, []
    with torch.no_grad():
        for sign in (1, -2):
            for parameter, change in zip(parameters, direction, strict=True):
                parameter += sign * step * change
            values.append(loss())
    torch.testing.assert_close((values[0] - values[1]) / (2 * step), slope, rtol=1e-4, atol=0.0)


def test_cqt_discriminator_gets_the_sample_rate_of_the_generator() -> None:
    mel = {"preset": "hifigan_22k"}
    generator = PeriodWave(PeriodWaveConfig.from_dict({"mel": mel, "hidden_channels": 16, "energy": "ljspeech_22k"}))
    options = TurboOptions(discriminators={"ms_sb_cqt": {"channels": 2}})
    transforms = TurboObjective(options, generator).discriminator["ms_sb_cqt"].discriminators
    assert {single.transform.config.sample_rate for single in transforms} == {44100}


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    """Gradients of both parts are averaged over processes, and so both processes keep equal weights."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    root = Path(__file__).resolve().parents[2]
    running = [
        subprocess.Popen(
            [sys.executable, str(PROCESS), str(tmp_path), str(rank), "2"],
            env=environment | {"PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    for child in running:
        output, _ = child.communicate(timeout=300)
        assert child.returncode == 0, output[-2000:]
    one = process.run(*process.make_parts(), process.make_batch())
    half = process.run(*process.make_parts(), process.make_batch(slice(0, 2)))
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    assert one.keys() == first.keys()
    for name, value in one.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], value, rtol=1e-7, atol=1e-10, msg=name)
    # The check can fail: one process's share alone gives other gradients.
    errors = torch.tensor([_relative(half[name], value) for name, value in one.items() if name.endswith(".grad")])
    assert errors.median() > 0.1


def _relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm().clamp(min=1e-12))


MODEL = {
    "hidden_channels": 16,
    "periods": [1, 3],
    "sampling": {"solver": "euler", "steps": 2, "temperature": 1.0},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared corpus of three tones."""
    root = tmp_path_factory.mktemp("corpus")
    (root / "wav").mkdir()
    for index in range(3):
        tone = 0.3 * np.sin(2 * np.pi * 200 * (index + 1) * np.arange(12000) / 24000)
        soundfile.write(root / "wav" / f"tone{index}.wav", tone, 24000)
    prepare(find_folder(root / "wav"), root / "data")
    return root


def make_config(corpus: Path, **changes) -> TrainConfig:
    return TrainConfig.from_dict(
        {
            "family": "periodwave",
            "model": MODEL,
            "data": {"train": str(corpus / "data"), "segment_length": 4096, "batch_size": 2, "num_workers": 0},
            "objective": {"name": "turbo", "discriminators": process.DISCRIMINATORS},
            "trainer": {"max_steps": 1, "log_every": 1, "num_threads": 1},
        }
        | changes
    )


def test_without_a_trained_model_nothing_is_built(corpus: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(recipes.trainer, "build_generator", lambda config: pytest.fail("a model was built"))
    for resume in (False, True):
        with pytest.raises(ConfigError, match="'turbo'.* --init"):
            Trainer(make_config(corpus), tmp_path / "run", resume=resume)
    assert not any(objective.needs_initial for name, objective in OBJECTIVES.items() if name != "turbo")


def test_a_checkpoint_starts_a_turbo_run_and_the_run_resumes_without_it(corpus: Path, tmp_path: Path) -> None:
    flow = make_config(corpus, objective={"name": "flow_matching"})
    Trainer(flow, tmp_path / "flow").run()
    checkpoint = find_checkpoints(tmp_path / "flow" / "checkpoints")[-1]
    trainer = Trainer(make_config(corpus), tmp_path / "turbo", initial=checkpoint)
    state = load_initial_state(checkpoint)["parts"]["generator"]
    assert_equal_states(trainer.generator.state_dict(), state)
    trainer.run()
    assert not all(torch.equal(value, state[name]) for name, value in trainer.generator.state_dict().items())
    resumed = Trainer(make_config(corpus), tmp_path / "turbo", resume=True)
    assert resumed.step == 1
    assert_equal_states(resumed.generator.state_dict(), trainer.generator.state_dict())


def test_a_model_folder_starts_a_turbo_run(corpus: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = PeriodWave(PeriodWaveConfig.from_dict(MODEL))
    model.save_pretrained(tmp_path / "packed")
    trainer = Trainer(make_config(corpus), tmp_path / "turbo", initial=tmp_path / "packed")
    assert trainer.step == 0
    assert_equal_states(trainer.generator.state_dict(), model.state_dict())


def test_a_model_folder_that_does_not_fit_is_refused(corpus: Path, tmp_path: Path, repository: Path) -> None:
    PeriodWave(PeriodWaveConfig.from_dict(MODEL | {"periods": [1, 3, 5]})).save_pretrained(tmp_path / "other")
    with pytest.raises(CheckpointError, match="does not fit"):
        Trainer(make_config(corpus), tmp_path / "turbo", initial=tmp_path / "other")
    wavehax = next((repository / "vocoders" / "weights").glob("*wavehax*"))
    with pytest.raises(CheckpointError, match="'wavehax'.* 'periodwave'"):
        Trainer(make_config(corpus), tmp_path / "turbo", initial=wavehax)
    with pytest.raises(CheckpointError, match="no config.json"):
        Trainer(make_config(corpus), tmp_path / "turbo", initial=tmp_path)


def assert_equal_states(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
