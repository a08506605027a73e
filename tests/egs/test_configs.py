"""Every configuration under egs loads and builds its model and its objective."""

from pathlib import Path

import pytest

from recipes.build import build_generator, build_objective
from recipes.config import TrainConfig

EGS = Path(__file__).resolve().parents[2] / "egs"
CONFIGS = sorted(EGS.glob("*/*/conf/*.yaml"))
PARAMETERS = {"v1": 622_951, "v2": 600_759, "fb": 2_018_727, "multi_scale": 332_324}


def _names(paths):
    return [str(path.relative_to(EGS)) for path in paths]


@pytest.mark.parametrize("path", CONFIGS, ids=_names(CONFIGS))
def test_every_configuration_builds_its_model(path):
    config = TrainConfig.from_yaml(path)
    model = build_generator(config)
    assert sum(parameter.numel() for parameter in model.parameters()) > 0
    assert config.data.segment_length % model.hop_length == 0
    # The command line of every recipe passes these very folders.
    assert (config.data.train, config.data.valid, config.data.feature_dir) == ("data/train", "data/dev", "dump")


@pytest.mark.parametrize("variant", PARAMETERS)
def test_published_sizes(variant):
    config = TrainConfig.from_yaml(EGS / f"libritts/wavehax/conf/{variant}.yaml")
    network = build_generator(config).network
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[variant]


@pytest.mark.parametrize(("variant", "size"), [("v1", 41_389_936), ("fb", 57_832_244)])
def test_published_discriminators(variant, size):
    # With weight normalisation's magnitudes counted, as the published figures do.
    config = TrainConfig.from_yaml(EGS / f"libritts/wavehax/conf/{variant}.yaml")
    discriminator = build_objective(config, build_generator(config)).discriminator
    assert sum(parameter.numel() for parameter in discriminator.parameters()) == size


@pytest.mark.parametrize("variant", PARAMETERS)
def test_published_training(variant):
    config = TrainConfig.from_yaml(EGS / f"libritts/wavehax/conf/{variant}.yaml")
    objective, optimizer, trainer = config.objective_options, config.optimizer, config.trainer
    assert (config.data.batch_size, config.data.segment_length) == (16, 7680)
    assert (optimizer.learning_rate, optimizer.betas, optimizer.weight_decay) == (2e-4, (0.8, 0.9), 0.0)
    assert (config.scheduler.name, trainer.max_steps, trainer.max_gradient_norm) == ("cosine", 1_000_000, 10.0)
    assert objective.reconstruction["mel"]["weight"] == 45.0
    assert (objective.feature_matching_weight, objective.adversarial_weight) == (2.0, 1.0)
    assert (objective.adversarial, objective.average, trainer.ema_decay) == ("hinge", False, None)
    assert (config.f0.method, config.f0.alignment) == ("harvest", "frame_start")
