"""The order in which a training draws from shards: shards in a new random order in each epoch, read front to back."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from vocoders.core.errors import DataError

__all__ = ["BLOCK", "ShardOrder"]

BLOCK = 64
"""Utterances of a shard that are in memory at once, and shuffled."""

# Batches in a row that are drawn from different shards: as many loader processes share the shards without reading
# one twice.
_WORKERS = 4


class ShardOrder:
    """An endless sequence of utterances with random access, a pure function of its arguments.

    The shards of all epochs, in random order, are dealt to lanes, and an item belongs to the lane of its step and of
    its place in the batch. So a loader process that reads every n-th batch, and a training process that has a part of
    each batch, read their own shards alone, and items do not depend on how many of them there are.

    Args:
        counts: (S,) utterances in each shard.
        repeats: (N,) occurrences of each utterance in a visit of its shard; 0 leaves it out.
        batch_size: items in a batch, over all processes.
        seed: seed of all epochs.
        lanes: number of shards that are read at the same time.

    Raises:
        DataError: if nothing is left.
    """

    def __init__(
        self, counts: Sequence[int] | np.ndarray, repeats: np.ndarray, batch_size: int, seed: int, lanes: int
    ) -> None:
        ends = np.cumsum(counts)
        self._members = [np.arange(end - count, end) for end, count in zip(ends, counts, strict=True)]
        self._repeats, self._seed, self._batch_size = repeats, seed, batch_size
        self._sizes = [int(repeats[members].sum()) for members in self._members]
        self.period = sum(self._sizes)
        if self.period == 0:
            raise DataError("no utterance to draw from; the shards are empty or all of it was dropped")
        self.workers = int(np.gcd(lanes, _WORKERS))
        self.parts = min(lanes // self.workers, batch_size)
        firsts = -(-np.arange(self.parts + 1) * batch_size // self.parts)
        self._firsts = [int(first) for first in firsts]
        # Of each lane: visit of a shard, position of its first item, and its items.
        self._visits: dict[int, tuple[int, int, np.ndarray]] = {}
        self._shuffled = lru_cache(maxsize=4)(self._shuffle_shards)

    @property
    def lanes(self) -> int:
        """Number of shards that are read at the same time."""
        return self.workers * self.parts

    def __getitem__(self, position: int) -> int:
        """Return the utterance at ``position``."""
        step, place = divmod(position, self._batch_size)
        part = place * self.parts // self._batch_size
        first, last = self._firsts[part : part + 2]
        number = step // self.workers * (last - first) + place - first
        return self._item(step % self.workers * self.parts + part, number)

    def _item(self, lane: int, number: int) -> int:
        """Return the item ``number`` of a lane."""
        visit, first, items = self._visits.get(lane, (lane, 0, None))
        if items is None or number < first:
            visit, first, items = lane, 0, None
        while number >= first + (size := self._sizes[self._shard(visit)]):
            visit, first, items = visit + self.lanes, first + size, None
        if items is None:
            items = self._shuffle(visit)
            self._visits[lane] = visit, first, items
        return int(items[number - first])

    def _shard(self, visit: int) -> int:
        epoch, number = divmod(visit, len(self._sizes))
        return int(self._shuffled(epoch)[number])

    def _shuffle_shards(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self._seed, 0, epoch]).permutation(len(self._sizes))

    def _shuffle(self, visit: int) -> np.ndarray:
        """Return the items of a visit of a shard, shuffled within blocks of utterances."""
        generator = np.random.default_rng([self._seed, 1, visit])
        members = self._members[self._shard(visit)]
        blocks = (members[first : first + BLOCK] for first in range(0, len(members), BLOCK))
        return np.concatenate([generator.permutation(np.repeat(own, self._repeats[own])) for own in blocks])
