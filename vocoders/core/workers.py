"""Threads that share the work of compiled loops."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from vocoders.core.packed_memory import aligned

__all__ = ["Workers"]


class Workers:
    """Runs compiled loops on several threads, each with its own part of the work and its own scratch memory.

    Args:
        threads: number of threads; the calling one is the first.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self._free: list[np.ndarray] = []

    def run(self, function: Callable[..., None], *arguments: Any, work: int, least: int = 1, scratch: int = 0) -> None:
        """Call ``function(*arguments, [scratch,] start, stop)`` for all parts of ``work`` pieces.

        Args:
            function: a compiled function, which does not hold Python's lock.
            arguments: its first arguments.
            work: number of pieces.
            least: a thread gets at least this many pieces.
            scratch: numbers of scratch memory for each thread; 0: the function takes none.
        """
        parts = max(1, min(self._threads, work // least))
        edges = [work * part // parts for part in range(parts + 1)]
        spans = list(zip(edges[:-1], edges[1:], strict=True))
        # Borrowed, since several calls may run at once.
        memory = [self._borrow(scratch) for _ in spans] if scratch else []
        own = [(each,) for each in memory] or [()] * parts
        waiting = []
        for place in range(1, parts):
            assert self._pool is not None, "several parts have several threads"
            waiting.append(self._pool.submit(function, *arguments, *own[place], *spans[place]))
        function(*arguments, *own[0], *spans[0])
        for part in waiting:
            part.result()
        self._free += memory

    def _borrow(self, size: int) -> np.ndarray:
        """Return memory for at least ``size`` numbers: that of an earlier call if it suffices."""
        while self._free:
            found = self._free.pop()
            if len(found) >= size:
                return found
        return aligned(size)
