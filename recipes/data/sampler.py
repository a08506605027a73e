"""Utterances of the batch of a training step: a pure function of (seed, step, rank, number of processes).

No state is kept between steps, so a resumed run continues exactly, and the batches of two processes together equal
the batch of one process with twice the batch size.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from torch.utils.data import Sampler

from vocoders.core.errors import ConfigError, DataError

__all__ = ["BalancedOrder", "Order", "ShuffledOrder", "StepBatchSampler"]


class Order(Protocol):
    """An endless sequence of item indices with random access."""

    period: int
    """Number of positions in an epoch."""

    def __getitem__(self, position: int) -> int:
        """Return the item at ``position`` >= 0."""
        ...


class ShuffledOrder:
    """Each epoch contains every item exactly ``repeats`` times, in a new random order.

    Args:
        repeats: (N,) number of occurrences of each item in an epoch, at least 1.
        seed: seed of all epochs.
        stream: separates several orders of one seed.
    """

    def __init__(self, repeats: Sequence[int], seed: int, stream: int = 0) -> None:
        self._items = np.repeat(np.arange(len(repeats)), repeats)
        if len(self._items) == 0:
            raise DataError("no utterance to draw from; the data directory is empty or all of it was dropped")
        self.period = len(self._items)
        self._key = (seed, stream)
        self._epoch = -1
        self._shuffled = self._items

    def __getitem__(self, position: int) -> int:
        """Return the item at ``position``."""
        epoch, place = divmod(position, self.period)
        if epoch != self._epoch:
            self._shuffled = np.random.default_rng([*self._key, epoch]).permutation(self._items)
            self._epoch = epoch
        return int(self._shuffled[place])


class BalancedOrder:
    """Each round contains every speaker once, in a new random order; a speaker's utterances are shuffled like epochs.

    Args:
        speakers: (N,) speaker of each item.
        repeats: (N,) relative frequency of each item among those of its speaker.
        seed: seed of all rounds.
    """

    def __init__(self, speakers: Sequence[str], repeats: Sequence[int], seed: int) -> None:
        members: dict[str, list[int]] = {}
        for index, speaker in enumerate(speakers):
            members.setdefault(speaker, []).append(index)
        self._members = [members[speaker] for speaker in sorted(members)]
        self._rounds = ShuffledOrder([1] * len(self._members), seed)
        self._own = [
            ShuffledOrder([repeats[index] for index in own], seed, stream=number)
            for number, own in enumerate(self._members, start=1)
        ]
        self.period = sum(repeats)

    def __getitem__(self, position: int) -> int:
        """Return the item at ``position``."""
        speaker = self._rounds[position]
        return self._members[speaker][self._own[speaker][position // self._rounds.period]]


class StepBatchSampler(Sampler[list[tuple[int, int]]]):
    """Endless batches of (item, draw); ``draw`` is unique in the training and the seed of the item's random crop.

    Args:
        order: sequence of items.
        batch_size: items in a batch of this process.
        rank: number of this process.
        world_size: number of processes.
        start_step: step of the first batch.
    """

    def __init__(self, order: Order, batch_size: int, rank: int = 0, world_size: int = 1, start_step: int = 0) -> None:
        if not 0 <= rank < world_size:
            raise ConfigError(f"rank {rank} of {world_size} processes; expected 0 <= rank < number of processes")
        if batch_size < 1 or start_step < 0:
            raise ConfigError(f"batch_size {batch_size}, start_step {start_step}; expected at least 1 and 0")
        self.order, self.batch_size = order, batch_size
        self.rank, self.world_size, self.start_step = rank, world_size, start_step

    @property
    def steps_per_epoch(self) -> float:
        """Number of steps of one epoch, over all processes."""
        return self.order.period / (self.batch_size * self.world_size)

    def batch(self, step: int) -> list[tuple[int, int]]:
        """Return the batch of a step."""
        first = (step * self.world_size + self.rank) * self.batch_size
        return [(self.order[draw], draw) for draw in range(first, first + self.batch_size)]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield the batches of ``start_step`` and all later steps."""
        step = self.start_step
        while True:
            yield self.batch(step)
            step += 1
