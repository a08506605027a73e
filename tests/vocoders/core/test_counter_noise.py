"""Numbers that belong to (seed, position): the reference's integers, independence, the right distribution."""

import numpy as np
import pytest
import torch
from scipy import stats

from vocoders.core.counter_noise import _bits, counter_normal, counter_normal_and_uniform, counter_uniform

MASK = 2**64 - 1


def split_mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


@pytest.mark.parametrize("seed", [0, 1, 7, 2**62 - 1])
def test_bits_are_those_of_splitmix64(seed):
    """Computed here with whole numbers of any size."""
    start = split_mix((seed + 1) & MASK)
    expected = [split_mix((start + i * 0x9E3779B97F4A7C15) & MASK) for i in range(1, 6)]
    bits = _bits(torch.tensor([seed]), torch.arange(1, 6), 0)
    assert [int(number) & MASK for number in bits] == expected


def test_numbers_belong_to_seed_and_position():
    seeds = torch.tensor([3, 2**61, 5])
    for draw in (counter_normal, counter_uniform):
        whole = draw(seeds, 1000)
        assert torch.equal(draw(seeds[1:2], 1000), whole[1:2])
        assert torch.equal(draw(seeds, 10), whole[:, :10])
        assert not torch.equal(draw(seeds, 1000, 1), whole)


def test_normal_and_uniform_numbers_together():
    seeds = torch.tensor([3, 2**61, 5])
    normal, uniform = counter_normal_and_uniform(seeds, 1000)
    assert torch.equal(normal[:, 0], counter_normal(seeds, 1000))
    alone = [counter_normal_and_uniform(seed[None], 10)[1] for seed in seeds]
    assert torch.equal(uniform, torch.cat(alone))
    many = counter_normal_and_uniform(torch.arange(100_000), 1)
    assert stats.kstest(many[1][:, 0].numpy(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(many[0][:, 0, 0], many[1][:, 0])[0, 1]) < 4 / 100_000**0.5


@pytest.mark.parametrize("across", ["positions", "seeds", "streams"])
def test_numbers_are_normal_uniform_and_independent(across):
    def draw(function):
        if across == "positions":
            return function(torch.tensor([11]), 100_000)[0]
        if across == "seeds":
            return function(torch.arange(100_000), 1)[:, 0]
        return torch.cat([function(torch.tensor([11]), 1, stream)[0] for stream in range(3000)])

    normal, uniform = draw(counter_normal), draw(counter_uniform)
    assert stats.kstest(normal.numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(uniform.numpy(), "uniform").pvalue > 1e-3
    for lag in (1, 2, 3, 50):
        assert abs(np.corrcoef(normal[lag:], normal[:-lag])[0, 1]) < 4 / len(normal) ** 0.5
    assert uniform.min() >= 0
    assert uniform.max() < 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_draws_the_same_numbers():
    seeds = torch.arange(8)
    torch.testing.assert_close(counter_normal(seeds.cuda(), 10_000).cpu(), counter_normal(seeds, 10_000))
    assert torch.equal(counter_uniform(seeds.cuda(), 10_000).cpu(), counter_uniform(seeds, 10_000))
