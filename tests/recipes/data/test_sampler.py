"""Batches as a pure function of (seed, step, rank, number of processes)."""

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.data.sampler import BalancedOrder, ShuffledOrder, StepBatchSampler
from vocoders.core.errors import ConfigError, DataError


@settings(max_examples=60, deadline=None)
@given(
    repeats=st.lists(st.integers(1, 4), min_size=1, max_size=20),
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 5),
    balanced=st.booleans(),
)
def test_an_epoch_holds_each_item_as_often_as_asked(repeats: list[int], seed: int, epoch: int, balanced: bool) -> None:
    order = BalancedOrder(["s"] * len(repeats), repeats, seed) if balanced else ShuffledOrder(repeats, seed)
    drawn = Counter(order[epoch * order.period + place] for place in range(order.period))
    assert drawn == Counter(dict(enumerate(repeats)))


@settings(max_examples=60, deadline=None)
@given(
    items=st.integers(1, 30),
    share=st.integers(1, 5),
    world_size=st.integers(1, 4),
    step=st.integers(0, 40),
    seed=st.integers(0, 99),
    balanced=st.booleans(),
)
def test_processes_together_draw_what_one_process_draws(
    items: int, share: int, world_size: int, step: int, seed: int, balanced: bool
) -> None:
    def order() -> ShuffledOrder | BalancedOrder:
        speakers = [f"s{index % 3}" for index in range(items)]
        return BalancedOrder(speakers, [1] * items, seed) if balanced else ShuffledOrder([1] * items, seed)

    whole = StepBatchSampler(order(), share * world_size).batch(step)
    parts = [StepBatchSampler(order(), share, rank, world_size).batch(step) for rank in range(world_size)]
    assert [key for part in parts for key in part] == whole


def test_resume_continues_exactly() -> None:
    straight = list(islice(StepBatchSampler(ShuffledOrder([1] * 13, 7), 4), 20))
    resumed = list(islice(StepBatchSampler(ShuffledOrder([1] * 13, 7), 4, start_step=11), 9))
    assert straight[11:] == resumed


def test_iterating_twice_gives_the_same_batches() -> None:
    sampler = StepBatchSampler(ShuffledOrder([1] * 5, 0), 2)
    assert list(islice(sampler, 9)) == list(islice(sampler, 9))


def test_draws_never_repeat_and_epochs_and_seeds_differ() -> None:
    draws = [draw for batch in islice(StepBatchSampler(ShuffledOrder([1] * 50, 0), 8), 30) for _, draw in batch]
    assert draws == list(range(240))
    order, other = ShuffledOrder([1] * 50, 0), ShuffledOrder([1] * 50, 1)
    epochs = [[order[50 * epoch + place] for place in range(50)] for epoch in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert [other[place] for place in range(50)] != epochs[0]


def test_speakers_are_drawn_equally_often_whatever_they_recorded() -> None:
    speakers = ["rare"] + ["some"] * 10 + ["much"] * 100
    order = BalancedOrder(speakers, [1] * 111, seed=3)
    drawn = [order[position] for position in range(300)]
    assert Counter(speakers[index] for index in drawn) == {"rare": 100, "some": 100, "much": 100}
    assert sorted(index for index in drawn if speakers[index] == "much") == list(range(11, 111))


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match="rank 2 of 2"):
        StepBatchSampler(ShuffledOrder([1], 0), 1, rank=2, world_size=2)
    with pytest.raises(ConfigError, match="batch_size 0"):
        StepBatchSampler(ShuffledOrder([1], 0), 0)
    with pytest.raises(DataError, match="no utterance"):
        ShuffledOrder([], 0)
