"""What all processes of a run decide together, over a connection of their own between the CPUs.

The connection is separate from that of the gradients: a decision does not wait for the GPU, and a process that ends is
noticed at once by all others.
"""

import enum
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as distributed

from recipes.launcher import Store
from recipes.stopping import LeaveAtOnce
from vocoders.core.errors import OndesError

__all__ = ["Agreement", "Decision"]

Value = TypeVar("Value")

# One process may read a large corpus into memory, or validate alone, while the others wait.
_PATIENCE = timedelta(hours=4)
_SECONDS_BETWEEN_LOOKS = 0.5
# Words of gloo, NCCL and TCP about a connection that breaks; the store has errors of its own type.
_BROKEN = ("Connection closed", "Connection reset", "Connection refused", "Broken pipe", "NCCL", "gloo")


class Decision(enum.IntEnum):
    """What a process wants to do next; the highest of all processes is done."""

    CONTINUE = 0
    STOP = 1
    FAIL = 2


class Agreement:
    """Decisions of the processes of a run; alone, a process agrees with itself.

    Args:
        rank: number of this process.
        num_processes: number of processes, whose default process group exists if there are several.
        store: the store of :func:`~recipes.launcher.join_processes`, through which a request to stop spreads.
        attempt: number of restarts of all processes.
    """

    def __init__(self, rank: int = 0, num_processes: int = 1, store: Store | None = None, attempt: str = "0") -> None:
        self.rank, self.num_processes, self._store = rank, num_processes, store
        self._stop_key = f"ondes/{attempt}/stop"
        self._group = distributed.new_group(backend="gloo", timeout=_PATIENCE) if num_processes > 1 else None
        self._last_look = 0.0

    def decide(self, own: Decision) -> Decision:
        """Return the highest decision of all processes.

        Raises:
            OndesError: if another process has ended.
        """
        if self._group is None:
            return own
        wanted = torch.tensor(int(own))
        with self.watched():
            distributed.all_reduce(wanted, distributed.ReduceOp.MAX, group=self._group)
        return Decision(int(wanted))

    def gather(self, own: Value) -> list[Value]:
        """Return the values of all processes, by rank; errors as in :meth:`decide`."""
        if self._group is None:
            return [own]
        values: list[Any] = [None] * self.num_processes
        with self.watched():
            distributed.all_gather_object(values, own, group=self._group)
        return values

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Raise an :class:`OndesError` when the connection to another process breaks in the block."""
        try:
            yield
        except RuntimeError as error:
            is_alone = self._group is None and self._store is None
            is_broken = isinstance(error, distributed.DistError) or any(word in str(error) for word in _BROKEN)
            if is_alone or not is_broken:
                raise
            cause = str(error).splitlines()[0]
            found = f"another process of the run has ended; its message says why ({cause})"
            raise OndesError(f"{found}; start the run again to resume") from None

    def tell_to_stop(self) -> None:
        """Tell the other processes, which may be busy, that this one was asked to stop."""
        if self._store is not None:
            with self.watched():
                self._store.set(self._stop_key, "1")

    def check(self) -> None:
        """Ask the store, at most twice a second, whether another process was asked to stop.

        Raises:
            LeaveAtOnce: if one was.
            OndesError: if the process that has the store has ended.
        """
        now = time.monotonic()
        if self._store is None or now - self._last_look < _SECONDS_BETWEEN_LOOKS:
            return
        self._last_look = now
        with self.watched():
            is_asked = self._store.check([self._stop_key])
        if is_asked:
            raise LeaveAtOnce
