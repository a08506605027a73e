"""Map a function over many files in several processes, in order, with progress."""

import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Generic, TypeVar

from recipes.progress import track
from vocoders.core.atomic import remove_temporaries
from vocoders.core.errors import ConfigError, DataError, DiskError, FilesFailedError

__all__ = ["map_files", "map_parallel", "run_parallel"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], nj: int, description: str, chunk_size: int = 1
) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in the order of ``items``.

    Args:
        function: a picklable function of one picklable argument.
        items: the arguments.
        nj: number of processes; 1 runs in this process.
        description: text of the progress bar.
        chunk_size: items that a process takes at a time. More is faster for short work, but Ctrl-C waits for chunks.

    Raises:
        ConfigError: if ``nj`` is below 1.
        DataError: if a worker process dies; errors of ``function`` are passed on unchanged.
    """
    yield from track(run_parallel(function, items, nj, description, chunk_size), description, len(items))


def map_files(function: Callable[[Item], Result], items: Sequence[Item], nj: int, description: str) -> Iterator[Result]:
    """Do what :func:`map_parallel` does, and go on where ``function`` raises a :class:`DataError` for an item.

    Raises:
        DiskError: at once, since every other item would fail too.
        FilesFailedError: at the end, with one line for each item that failed.
    """
    failures = []
    for outcome in map_parallel(_Attempt(function), items, nj, description):
        if isinstance(outcome, DataError):
            failures.append(str(outcome))
        else:
            yield outcome
    if failures:
        raise FilesFailedError(failures, len(items))


@dataclass(frozen=True)
class _Attempt(Generic[Item, Result]):
    """Call a function; return the error instead of raising it."""

    function: Callable[[Item], Result]

    def __call__(self, item: Item) -> Result | DataError:
        try:
            return self.function(item)
        except DiskError:
            raise
        except DataError as error:
            return error


def run_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], nj: int, description: str, chunk_size: int = 1
) -> Iterator[Result]:
    """Do what :func:`map_parallel` does, and show no progress."""
    if nj < 1:
        raise ConfigError(f"nj is {nj}; expected at least one process")
    if nj == 1 or len(items) < 2:
        yield from map(function, items)
        return
    try:
        pickle.dumps((function, items[0]))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        # The executor would wait for ever (Python 3.11).
        raise ConfigError(f"{description}: work that cannot be sent to other processes ({error}); use --nj 1") from None
    # A fork after torch has started its threads can hang; spawned workers start clean.
    executor = ProcessPoolExecutor(
        min(nj, len(items)), mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
    )
    try:
        yield from executor.map(function, items, chunksize=chunk_size)
    except BrokenProcessPool:
        raise DataError(
            f"{description}: a worker process died; see its message, or use a smaller --nj if memory is short"
        ) from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    # The parent handles Ctrl-C, and lets its workers finish their current file.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _end_with_parent() -> None:
    """End this worker when its parent is killed; else it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        remove_temporaries()
        os._exit(1)
