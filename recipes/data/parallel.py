"""Map a function over many files in several processes, in order, with progress."""

import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from recipes.data.worker_pool import LOST, WorkerPool
from recipes.progress import track
from vocoders.core.errors import ConfigError, DataError, DiskError, FilesFailedError, WorkersDiedError

__all__ = ["DIED", "map_files", "map_parallel", "run_parallel"]

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

# What is said of an item that ends its process, beside others and alone.
DIED = "the process that worked on it died, twice (short of memory?)"


def map_parallel(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    nj: int,
    description: str,
    chunk_size: int = 1,
    lost: Callable[[Item], Result] | None = None,
    folders: Sequence[Path] = (),
) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in the order of ``items``.

    Args:
        function: a picklable function of one picklable argument.
        items: the arguments.
        nj: number of processes; 1 runs in this process.
        description: text of the progress bar.
        chunk_size: items that a process takes at a time. More is faster for short work, but Ctrl-C waits for chunks.
        lost: gives the result of an item whose process died twice; ``None``: an error.
        folders: where ``function`` writes files; what a killed process leaves half written there is removed.

    Raises:
        ConfigError: if ``nj`` is below 1.
        WorkersDiedError: if worker processes die; errors of ``function`` are passed on unchanged.
    """
    results = run_parallel(function, items, nj, description, chunk_size, lost, folders)
    yield from track(results, description, len(items))


def map_files(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    nj: int,
    description: str,
    name: Callable[[Item], object] = str,
    folders: Sequence[Path] = (),
) -> Iterator[Result]:
    """Do what :func:`map_parallel` does, and go on where ``function`` raises a :class:`DataError` for an item.

    Args:
        function: as there, and all others.
        items: arguments.
        nj: number of processes.
        description: text of the progress bar.
        name: gives the name of an item, for errors.
        folders: where ``function`` writes files.

    Raises:
        DiskError: at once, since every other item would fail too.
        FilesFailedError: at the end, with one line for each item that failed.
    """

    def lost(item: Item) -> DataError:
        return DataError(f"{name(item)}: {DIED}")

    failures = []
    for outcome in map_parallel(_Attempt(function), items, nj, description, lost=lost, folders=folders):
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
    function: Callable[[Item], Result],
    items: Sequence[Item],
    nj: int,
    description: str,
    chunk_size: int = 1,
    lost: Callable[[Item], Result] | None = None,
    folders: Sequence[Path] = (),
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
    chunks = [items[first : first + chunk_size] for first in range(0, len(items), chunk_size)]

    def tell() -> None:
        logger.warning("%s: a worker process died; what was in hand is done again, one by one", description)

    pool = WorkerPool(function, min(nj, len(chunks)), folders)
    for chunk, results in zip(chunks, pool.results(chunks, tell), strict=True):
        for item, result in zip(chunk, results, strict=True):
            if result is not LOST:
                yield result
            elif lost is not None:
                yield lost(item)
            else:
                raise WorkersDiedError(f"{description}: {item}: {DIED}")
