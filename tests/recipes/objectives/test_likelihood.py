"""Likelihood and diffusion: exact bits, learning, groups of parameters, plateaus, skipped steps, resume."""

import json
import logging
import math
import re

import numpy as np
import pytest
import soundfile
import torch
from tiny_models import SASHIMI

from recipes.build import build_generator, build_objective, build_optimizer, restore_generator
from recipes.checkpoint import find_checkpoints, load_checkpoint
from recipes.config import TrainConfig
from recipes.data.corpora import find_folder
from recipes.data.loader import build_piece_dataset
from recipes.data.preparation import prepare
from recipes.data.waveforms import collate_padded
from recipes.objectives.diffusion import draw_noise
from recipes.objectives.likelihood import encode_batch
from recipes.schedule import Plateau
from recipes.sections import OptimizerConfig, SchedulerConfig
from recipes.trainer import Trainer
from vocoders.core.errors import ConfigError, DataError, OndesError


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Five clips of a tone with a period of 20 samples, of different lengths."""
    root = tmp_path_factory.mktemp("corpus")
    (root / "wav").mkdir()
    for number in range(5):
        tone = 0.8 * np.sin(2 * np.pi * np.arange(1000 + 200 * number) / 20)
        soundfile.write(root / "wav" / f"tone{number}.wav", tone, 8000)
    prepare(find_folder(root / "wav"), root / "data")
    return root


def make_config(corpus, model=SASHIMI, family="sashimi", objective="likelihood", scheduler=None, **trainer):
    options = {"max_steps": 10, "log_every": 1, "valid_every": 100, "checkpoint_every": 100, "num_threads": 1}
    data = {"train": str(corpus / "data"), "valid": str(corpus / "data"), "num_workers": 0}
    optimizer = {"learning_rate": 1e-2, "betas": [0.9, 0.99]}
    if family == "sashimi":
        optimizer["system_learning_rate"] = 1e-3
    return TrainConfig.from_dict(
        {
            "family": family,
            "model": model,
            "data": data | {"segment_length": 400, "batch_size": 2},
            "objective": {"name": objective},
            "optimizer": optimizer,
            "scheduler": scheduler or {"name": "constant"},
            "trainer": options | trainer,
        }
    )


def log_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_bits_of_a_uniform_model_are_exactly_those_of_its_codes(corpus):
    config = make_config(corpus, SASHIMI | {"quantiser": {"bits": 8}})
    model = build_generator(config)
    torch.nn.init.zeros_(model.head.weight)
    torch.nn.init.zeros_(model.head.bias)
    objective = build_objective(config, model)
    batch = {"audio": torch.rand(2, 1, 100) - 0.5, "length": torch.tensor([100, 60])}
    total, count = objective.validation_loss(model, batch)
    assert count == 160
    assert total / count * objective.validation_units["valid/bits"] == pytest.approx(8.0, abs=1e-6)


def test_padding_is_not_predicted_and_changes_nothing(corpus):
    config = make_config(corpus)
    model = build_generator(config).eval()
    objective = build_objective(config, model)
    audio = torch.rand(1, 1, 60) - 0.5
    exact = objective.validation_loss(model, {"audio": audio, "length": torch.tensor([60])})
    padded = torch.nn.functional.pad(audio, (0, 40))
    more = objective.validation_loss(model, {"audio": padded, "length": torch.tensor([60])})
    assert more[1] == exact[1] == 60
    assert more[0] == pytest.approx(exact[0], rel=1e-5)


def test_published_codes_are_scaled_without_the_padding(corpus):
    config = make_config(corpus, SASHIMI | {"quantiser": {"bits": 8, "scheme": "official"}})
    quantiser = build_generator(config).quantiser
    audio = 0.3 + 0.1 * torch.rand(1, 1, 50)
    padded = torch.nn.functional.pad(audio, (0, 14))
    codes, targets = encode_batch(quantiser, padded, torch.tensor([50]))
    assert torch.equal(codes[0, :50], quantiser.encode(audio[0, 0]))
    assert (codes[0, 50:] == 128).all()
    assert (targets[0, 50:] == -100).all()


def test_a_periodic_signal_is_learned(corpus, tmp_path):
    torch.manual_seed(0)
    Trainer(make_config(corpus, max_steps=150, valid_every=150), tmp_path).run()
    lines = log_of(tmp_path)
    assert lines[0]["loss/bits"] == pytest.approx(lines[0]["loss/nats"] / math.log(2), rel=1e-4)
    (bits,) = [line["valid/bits"] for line in lines if "valid/bits" in line]
    # Of 4 bits; the phase has to be found in the first samples of each piece.
    assert bits < 0.5 < 3 < lines[0]["loss/bits"]


def test_labels_are_learned(tmp_path):
    (tmp_path / "wav").mkdir()
    random = np.random.default_rng(0)
    for word, level in {"low": -0.5, "high": 0.5}.items():
        for take in range(2):
            soundfile.write(tmp_path / "wav" / f"{word}{take}.wav", level + random.uniform(-0.3, 0.3, 1200), 8000)
    directory = prepare(find_folder(tmp_path / "wav", text_pattern="([a-z]+)[0-9]"), tmp_path / "data").directories[""]
    assert [utterance.text for utterance in directory] == ["high", "high", "low", "low"]
    torch.manual_seed(0)
    config = make_config(tmp_path, SASHIMI | {"labels": ["low", "high"]}, max_steps=60)
    Trainer(config, tmp_path / "exp").run()
    model = restore_generator(tmp_path / "exp").model
    objective = build_objective(config, model)
    pieces = config.task.validator(objective, tmp_path).dataset
    batch = collate_padded([pieces[number] for number in range(len(pieces))])
    # Nothing but the label says on which side of zero the first sample will be.
    batch["audio"], batch["length"] = batch["audio"][..., :1], batch["length"].clamp(max=1)
    with torch.no_grad():
        told, _ = objective.validation_loss(model, batch)
        misled, _ = objective.validation_loss(model, batch | {"labels": 1 - batch["labels"]})
    assert told < 0.8 * misled
    # Measured without texts, as speech of which nobody knows what is said.
    strangers = prepare(find_folder(tmp_path / "wav"), tmp_path / "strangers").directories[""]
    assert "labels" not in build_piece_dataset(config.data, config.front_end, strangers.path)[0]
    assert "labels" in build_piece_dataset(config.data, config.front_end, tmp_path / "data")[0]
    with pytest.raises(DataError, match="has no text"):
        build_piece_dataset(config.data, config.front_end, strangers.path, needs_labels=True)


def test_groups_of_parameters(corpus):
    model = build_generator(make_config(corpus))
    config = OptimizerConfig(
        learning_rate=4e-3, system_learning_rate=1e-3, weight_decay=0.1, decay_biases=False, betas=(0.9, 0.999)
    )
    groups = build_optimizer(config, model).param_groups
    kinds = {}
    for group in groups:
        for parameter in group["params"]:
            assert id(parameter) not in kinds
            kinds[id(parameter)] = (group["lr"], group["weight_decay"])
    systems = set(model.system_parameters())
    assert systems
    for name, parameter in model.named_parameters():
        leaf = name.rsplit(".", 1)[-1]
        if leaf in ("inv_dt", "A_real", "A_imag", "B", "P"):
            assert name in systems
            assert kinds[id(parameter)] == (1e-3, 0.0), name
        elif leaf == "bias" or ".norm." in name:
            assert kinds[id(parameter)] == (4e-3, 0.0), name
        else:
            assert kinds[id(parameter)] == (4e-3, 0.1), name
    plain = build_optimizer(OptimizerConfig(weight_decay=0.1), model).param_groups
    assert [group["weight_decay"] for group in plain] == [0.1]
    assert len(plain[0]["params"]) == len(list(model.parameters()))


def test_both_rates_follow_the_schedule(corpus, tmp_path):
    config = make_config(corpus, max_steps=2, scheduler={"name": "constant", "warmup_steps": 4})
    trainer = Trainer(config, tmp_path)
    trainer.run()
    assert sorted(group["lr"] for group in trainer.optimizers["generator"].param_groups) == pytest.approx([5e-4, 5e-3])


def test_plateau_lowers_the_rate_after_its_patience():
    plateau = Plateau(SchedulerConfig(name="plateau", decay=0.2, patience=2))
    factors = []
    for loss in (2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, float("nan"), 0.6, 0.7):
        plateau.update(loss)
        factors.append(plateau.factor)
    assert factors == pytest.approx([1, 1, 1, 1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.04])
    other = Plateau(plateau.config)
    other.load_state_dict(plateau.state_dict())
    assert other.state_dict() == plateau.state_dict()


def test_plateau_needs_validation(corpus, tmp_path):
    config = make_config(corpus, scheduler={"name": "plateau", "decay": 0.2}).to_dict()
    config["data"]["valid"] = None
    with pytest.raises(ConfigError, match=r"set data\.valid"):
        Trainer(TrainConfig.from_dict(config), tmp_path)


def test_resumed_run_equals_an_uninterrupted_one(corpus, tmp_path):
    scheduler = {"name": "plateau", "decay": 0.5, "patience": 0}
    options = {"scheduler": scheduler, "valid_every": 2}
    Trainer(make_config(corpus, **options), tmp_path / "whole").run()
    # 6 is a multiple of valid_every: both validate at the same steps.
    Trainer(make_config(corpus, max_steps=6, **options), tmp_path / "parts").run()
    Trainer(make_config(corpus, **options), tmp_path / "parts", resume=True).run()
    whole, parts = (load_checkpoint(find_checkpoints(tmp_path / n / "checkpoints")[-1]) for n in ("whole", "parts"))
    assert whole["plateau"] == parts["plateau"]
    for name, value in whole["parts"]["generator"].items():
        assert torch.equal(value, parts["parts"]["generator"][name]), name


def _poison(trainer, steps):
    """Make the loss of these steps NaN."""
    original = trainer.objective._cross_entropy

    def poisoned(generator, batch):
        total, count = original(generator, batch)
        return (total * float("nan") if trainer.step in steps else total), count

    trainer.objective._cross_entropy = poisoned


def test_a_step_without_a_finite_loss_is_skipped_and_counted(corpus, tmp_path, caplog):
    trainer = Trainer(make_config(corpus, max_steps=4), tmp_path)
    before = {name: value.clone() for name, value in trainer.generator.state_dict().items()}
    _poison(trainer, {0, 2})
    with caplog.at_level(logging.WARNING):
        trainer.run()
    assert trainer.skipped_steps == 2
    assert re.search(r"step 1: .*generator.* skipped \(1 ", caplog.text)
    after = trainer.generator.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    assert any(not torch.equal(value, before[name]) for name, value in after.items())
    assert [line["skipped_steps"] for line in log_of(tmp_path) if "steps_per_second" in line] == [1, 1, 2, 2]
    assert load_checkpoint(find_checkpoints(tmp_path / "checkpoints")[-1])["skipped_steps"] == 2


@pytest.mark.parametrize(
    ("changes", "words"), [({"max_skipped_steps": 3}, "step 4.* 3 steps"), ({"max_steps": 2}, "all of the 2")]
)
def test_training_stops_when_no_loss_is_finite(corpus, tmp_path, changes, words):
    trainer = Trainer(make_config(corpus, **changes), tmp_path)
    before = {name: value.clone() for name, value in trainer.generator.state_dict().items()}
    _poison(trainer, set(range(10)))
    with pytest.raises(OndesError, match=words):
        trainer.run()
    # Nothing was changed, and no checkpoint of a broken run was written.
    assert all(torch.equal(value, before[name]) for name, value in trainer.generator.state_dict().items())
    assert find_checkpoints(tmp_path / "checkpoints") == []


def test_a_gradient_that_is_not_finite_changes_nothing(corpus, tmp_path):
    trainer = Trainer(make_config(corpus, max_steps=1), tmp_path)
    before = {name: value.clone() for name, value in trainer.generator.state_dict().items()}
    trainer.generator.head.bias.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(OndesError, match="gradient of the generator"):
        trainer.run()
    assert trainer.skipped_steps == 1
    assert all(torch.equal(value, before[name]) for name, value in trainer.generator.state_dict().items())


@pytest.mark.parametrize("mel", [None, {"n_fft": 256, "hop_length": 16, "n_mels": 8, "sample_rate": 8000}])
def test_diffusion_learns_to_estimate_noise(corpus, tmp_path, mel):
    model = {"sample_rate": 8000, "channels": 8, "num_layers": 1, "pool": [4], "kernel_length": 400}
    model |= {"s4": {"d_state": 8, "num_systems": None, "bidirectional": True}, "diffusion": {"num_steps": 10}}
    model |= {"mel": mel, "mel_upsample": [4, 4]}
    config = make_config(corpus, model, "diffwave_sashimi", "diffusion", max_steps=60, log_every=1, valid_every=60)
    Trainer(config, tmp_path).run()
    lines = log_of(tmp_path)
    losses = [line["loss/diffusion"] for line in lines if "loss/diffusion" in line]
    # The output layer starts at zero, so that the first loss is the power of the noise.
    assert losses[0] == pytest.approx(1.0, abs=0.1)
    assert np.mean(losses[-10:]) < 0.8
    assert any(("valid/mel_l1" if mel else "valid/loss") in line for line in lines)


def test_noise_belongs_to_items():
    seeds = torch.tensor([3, 4, 3])
    levels, noise = draw_noise(seeds, 1000, 50)
    assert levels[0] == levels[2]
    assert torch.equal(noise[0], noise[2])
    assert abs(float((noise[0] * noise[1]).mean())) < 0.15
    many, _ = draw_noise(torch.arange(2000), 1, 50)
    counts = torch.bincount(many, minlength=50)
    assert len(counts) == 50
    assert 15 < counts.min() <= counts.max() < 75
