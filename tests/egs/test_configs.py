"""Every configuration under egs loads and builds its model and its objective."""

from pathlib import Path

import pytest

from recipes.build import build_generator, build_objective
from recipes.config import TrainConfig
from recipes.discriminators import DiscriminatorUnion
from recipes.objectives import FlowMatchingOptions, TurboOptions
from recipes.schedule import learning_rate_factor
from vocoders.periodwave import VARIANTS

EGS = Path(__file__).resolve().parents[2] / "egs"
CONFIGS = sorted(EGS.glob("*/*/conf/*.yaml"))
PARAMETERS = {"v1": 622_951, "v2": 600_759, "fb": 2_018_727, "multi_scale": 332_324}
# With weight normalisation's magnitudes counted, as the published figures do.
FLOWS = {
    "libritts/periodwave/conf/small.yaml": 7_573_745,
    "libritts/periodwave/conf/base.yaml": 29_805_025,
    "libritts/periodwave/conf/large.yaml": 70_249_873,
    "libritts/periodwave/conf/encodec.yaml": 31_344_865,
    "ljspeech/periodwave/conf/base.yaml": 29_733_345,
}
# Each Turbo configuration, and the one whose model it tunes.
TURBOS = {
    "libritts/periodwave_turbo/conf/turbo_small.yaml": "libritts/periodwave/conf/small.yaml",
    "libritts/periodwave_turbo/conf/turbo_base.yaml": "libritts/periodwave/conf/base.yaml",
    "libritts/periodwave_turbo/conf/turbo_large.yaml": "libritts/periodwave/conf/large.yaml",
    "ljspeech/periodwave/conf/turbo.yaml": "ljspeech/periodwave/conf/base.yaml",
}
MINI_TURBOS = {
    f"mini/periodwave_turbo/conf/turbo{steps}.yaml": "mini/periodwave/conf/train.yaml" for steps in (4, 2, 1)
}


def _names(paths):
    return [str(path.relative_to(EGS)) for path in paths]


@pytest.mark.parametrize("path", CONFIGS, ids=_names(CONFIGS))
def test_every_configuration_builds_its_model(path):
    config = TrainConfig.from_yaml(path)
    model = build_generator(config)
    assert sum(parameter.numel() for parameter in model.parameters()) > 0
    assert config.data.segment_length % config.front_end.hop_length == 0
    # The command line of every recipe passes these very folders.
    assert (config.data.train, config.data.valid) == ("data/train", "data/dev")
    assert config.data.feature_dir == (None if config.front_end.mel is None else "dump")


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
    assert (config.front_end.f0.method, config.front_end.f0.alignment) == ("harvest", "frame_start")


@pytest.mark.parametrize("path", FLOWS)
def test_published_flow_models(path):
    config = TrainConfig.from_yaml(EGS / path)
    assert sum(parameter.numel() for parameter in build_generator(config).parameters()) == FLOWS[path]
    variant = "base_22k" if path.startswith("ljspeech") else Path(path).stem
    assert config.generator == VARIANTS[variant]


@pytest.mark.parametrize("path", FLOWS)
def test_published_flow_training(path):
    config = TrainConfig.from_yaml(EGS / path)
    encodec = path.endswith("encodec.yaml")
    assert (config.data.batch_size, config.data.segment_length) == (32, 48000 if encodec else 32768)
    _check_published_optimiser(config, learning_rate=2e-4, max_steps=1_000_000)
    assert config.trainer.max_gradient_norm is None
    assert config.objective_options == FlowMatchingOptions(weighting="none" if encodec else "prior")
    assert config.data.features == ("predicted" if encodec else "computed")


@pytest.mark.parametrize("path", TURBOS)
def test_published_turbo_training(path):
    config = TrainConfig.from_yaml(EGS / path)
    variant = "turbo_base_22k" if path.startswith("ljspeech") else Path(path).stem
    assert config.generator == VARIANTS[variant]
    assert (config.data.batch_size, config.data.segment_length) == (8, 32768)
    _check_published_optimiser(config, learning_rate=2e-5, max_steps=100_000 if variant.endswith("22k") else 300_000)
    assert config.trainer.max_gradient_norm == 1000.0
    # What the file spells out is what the objective has as published.
    built = build_objective(config, build_generator(config))
    published = TurboOptions()
    assert config.objective_options.model_dump(exclude={"discriminators"}) == published.model_dump(
        exclude={"discriminators"}
    )
    assert {name: value.shape for name, value in built.discriminator.state_dict().items()} == {
        name: value.shape
        for name, value in DiscriminatorUnion(published.discriminators, config.front_end.sample_rate)
        .state_dict()
        .items()
    }
    assert built.discriminator["mpd"].discriminators[0].score_is_feature


def _check_published_optimiser(config, learning_rate, max_steps):
    optimizer, trainer = config.optimizer, config.trainer
    assert (optimizer.learning_rate, optimizer.betas, optimizer.weight_decay) == (learning_rate, (0.9, 0.999), 0.01)
    assert (config.scheduler.name, config.scheduler.warmup_steps) == ("constant", 0)
    assert (trainer.max_steps, trainer.ema_decay, trainer.precision) == (max_steps, None, "no")
    assert config.data.shorter == "pad"
    assert config.data.peak == (None if config.data.features == "predicted" else 0.95)


@pytest.mark.parametrize("path", [*TURBOS, *MINI_TURBOS])
def test_turbo_tunes_the_model_that_its_recipe_names(path):
    turbo = TrainConfig.from_yaml(EGS / path)
    flow = TrainConfig.from_yaml(EGS / (TURBOS | MINI_TURBOS)[path])
    # Nothing but the sampling differs, so the weights fit and mean the same.
    assert turbo.generator.model_copy(update={"sampling": flow.generator.sampling}) == flow.generator
    assert (turbo.data.peak, turbo.objective_options.name) == (flow.data.peak, "turbo")
    assert (turbo.generator.sampling.solver, turbo.generator.sampling.temperature) == ("euler", 1.0)
    steps = int(path[-6]) if path in MINI_TURBOS else 4
    assert turbo.generator.sampling.steps == steps


def test_published_signaltrain_training():
    config = TrainConfig.from_yaml(EGS / "comp4c/signaltrain/conf/published.yaml")
    model, effect, optimizer = config.generator, config.task.options, config.optimizer
    # One window for each item, whose last block is compared.
    assert effect.pre_roll + config.data.segment_length == model.window_length == 8192
    assert config.data.segment_length == model.block_length
    assert (effect.bank, effect.synthetic, effect.ends, effect.knob_shape) == ("signaltrain", 1.0, 0.0, 0.8)
    assert config.objective_options.losses == {"log_cosh": 1.0, "output_spectrum": 2e-6}
    assert (optimizer.learning_rate, optimizer.betas, optimizer.weight_decay) == (1e-4, (0.9, 0.999), 0.0)
    assert config.data.batch_size * config.trainer.max_steps == 1000 * 200_000
    factors = [learning_rate_factor(config.scheduler, step, 1_000_000) for step in (0, 299_999, 300_000, 999_999)]
    assert factors == pytest.approx([1 / 15, 1, 1, 1 / 1500])
    build_objective(config, build_generator(config))
