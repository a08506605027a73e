"""Learning rates: where each schedule starts, peaks and ends. Trained models: how they are restored."""

import numpy as np
import pytest
import torch

from recipes.build import build_generator, restore_generator
from recipes.checkpoint import save_checkpoint
from recipes.config import TrainConfig
from recipes.schedule import learning_rate_factor
from recipes.sections import SchedulerConfig
from vocoders.core.errors import ConfigError


def _factors(max_steps=1000, **options):
    config = SchedulerConfig(**options)
    return np.array([learning_rate_factor(config, step, max_steps) for step in range(max_steps)])


def test_one_cycle_rises_to_the_whole_rate_and_falls_to_its_end():
    factors = _factors(name="one_cycle", final=1 / 1500)
    assert factors[0] == pytest.approx(1 / 15)
    assert factors[299] == factors[300] == 1.0
    assert factors[-1] == pytest.approx(1 / 1500)
    assert (np.diff(factors[:300]) > 0).all()
    assert (np.diff(factors[300:]) < 0).all()
    # Half of the way is half of the rise: each part is symmetric about its middle.
    np.testing.assert_allclose(factors[:300] + factors[299::-1], 1 + 1 / 15)
    np.testing.assert_allclose(factors[300:] + factors[:299:-1], 1 + 1 / 1500)


@pytest.mark.parametrize("rise", [0.0, 1.0])
def test_one_cycle_can_do_one_half_alone(rise):
    factors = _factors(name="one_cycle", rise=rise, initial=0.1, final=0.2)
    assert factors[[0, -1]] == pytest.approx([0.1, 1.0] if rise else [1.0, 0.2])


@pytest.mark.parametrize("max_steps", [1, 2, 3])
def test_one_cycle_of_few_steps_stays_in_its_range(max_steps):
    config = SchedulerConfig(name="one_cycle")
    assert all(0 <= learning_rate_factor(config, step, max_steps) <= 1 for step in range(max_steps + 2))


def test_a_warm_up_multiplies_every_schedule():
    for name in ("cosine", "exponential", "one_cycle", "constant"):
        plain, warm = (_factors(name=name, warmup_steps=steps) for steps in (0, 10))
        np.testing.assert_allclose(warm[:10], plain[:10] * np.arange(1, 11) / 10)
        np.testing.assert_array_equal(warm[10:], plain[10:])


def test_a_trained_model_is_packed_with_another_way_of_sampling_but_no_other_change(tmp_path) -> None:
    config = TrainConfig.from_dict(
        {
            "family": "sashimi",
            "model": {"channels": 4, "num_layers": 1, "pool": [2], "kernel_length": 64},
            "objective": {"name": "likelihood"},
        }
    )
    torch.manual_seed(0)
    model = build_generator(config)
    state = {"family": "sashimi", "config": config.to_dict(), "parts": {"generator": model.state_dict()}}
    save_checkpoint(tmp_path / "checkpoints", 3, state, keep=1)
    trained = restore_generator(tmp_path, sampling=["model.sampling.temperature=0.8"])
    assert trained.model.config.sampling.temperature == 0.8
    assert trained.model.config.sampling.top_p == restore_generator(tmp_path).model.config.sampling.top_p == 1.0
    with pytest.raises(ConfigError, match=r"model\.sampling"):
        restore_generator(tmp_path, sampling=["model.channels=8"])
    with pytest.raises(ConfigError, match="model.sampling.temperature"):
        restore_generator(tmp_path, sampling=["model.sampling.temperature=-1"])
