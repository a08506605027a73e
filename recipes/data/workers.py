"""Loader processes that cannot hang a run: their errors arrive as values with the file's name, and they always end."""

import errno
import logging
import multiprocessing
import multiprocessing.queues
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from recipes.data.dataset import TrainingSet
from recipes.data.sampler import StepBatchSampler
from vocoders.core.errors import DataError, OndesError

__all__ = ["BatchLoader"]

logger = logging.getLogger(__name__)

Batch = dict[str, Any]
_GRACE_SECONDS = 5.0


class BatchLoader:
    """Endless batches of items that processes read ahead.

    An exception of a worker would reach the main process without the name of the file, and a worker that ignores
    signals would be waited for at exit. So items that fail become values, and the end of the iteration ends the
    workers.

    Args:
        dataset: the items.
        sampler: their order; contains the position in the training and the share of this process.
        collate: function from items to a batch.
        num_workers: number of loader processes; 0 reads in this process.
        seed: seed of torch's generators in the workers.
    """

    def __init__(
        self,
        dataset: TrainingSet,
        sampler: StepBatchSampler,
        collate: Callable[[list[Any]], Batch],
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        self.sampler, self.dataset = sampler, dataset
        with _shared_memory():
            self._is_over = multiprocessing.get_context().Event() if num_workers else threading.Event()
        self._loader = DataLoader(
            _Guarded(dataset),
            batch_sampler=sampler,
            num_workers=num_workers,
            collate_fn=_Collate(collate),
            # A separate generator, so that a loader of a resumed run draws nothing from torch's global state.
            generator=torch.Generator().manual_seed(seed),
            worker_init_fn=_WorkerSignals(self._is_over),
            pin_memory=torch.cuda.is_available(),
        )

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches; raises as :meth:`open`."""
        with self.open() as batches:
            yield from batches

    @contextmanager
    def open(self) -> Iterator[Iterator[Batch]]:
        """Give an iterator of batches, whose workers end with the block.

        Raises:
            DataError: if an item cannot be read, or a worker dies, also while the block does something else.
        """
        self._is_over.clear()
        others, workers = set(multiprocessing.active_children()), set[BaseProcess]()
        batches = _Batches()
        try:
            with _shared_memory():
                batches.begin(self._loader)
            workers = set(multiprocessing.active_children()) - others
            yield batches
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            # Its frames refer to the iterator, which must not outlive this block.
            error.__traceback__ = None
            raise _death(error, self._loader.num_workers) from None
        finally:
            # Torch raises the death of a worker wherever the program is; one that dies now is no fault.
            while True:
                try:
                    self._is_over.set()
                    _end(workers)
                    batches.close()
                    break
                except RuntimeError as error:
                    if "DataLoader worker" not in str(error):
                        raise


class _Batches(Iterator[Batch]):
    """Iterator of batches that raises failures, and alone refers to torch's iterator, whose end ends the workers."""

    def __init__(self) -> None:
        self._batches: Iterator[Any] | None = None
        self._num_workers = 0

    def begin(self, loader: DataLoader[Any]) -> None:
        """Start the workers."""
        self._batches, self._num_workers = iter(loader), loader.num_workers

    def __next__(self) -> Batch:
        if self._batches is None:
            raise StopIteration
        try:
            batch = next(self._batches)
        except (ConnectionError, EOFError, FileNotFoundError) as error:  # a worker died while it handed over a batch
            raise _death(error, self._num_workers) from None
        if isinstance(batch, _Failure):
            raise DataError(batch.message)
        return batch

    def close(self) -> None:
        """Forget torch's iterator."""
        self._batches = None


def _end(workers: set[BaseProcess]) -> None:
    """End workers that are told that the iteration is over; those that do not react are killed."""
    for worker in workers:
        worker.terminate()
    deadline = time.monotonic() + _GRACE_SECONDS
    for worker in workers:
        worker.join(max(deadline - time.monotonic(), 0))
    for worker in workers:
        if worker.is_alive():
            worker.kill()


@contextmanager
def _shared_memory() -> Iterator[None]:
    """Name the place that is full: loader processes need semaphores, which are files of /dev/shm."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DataError(
            "loader processes cannot start: the shared memory (/dev/shm) is full; free or enlarge it (docker run "
            "--shm-size), or set data.num_workers=0"
        ) from None


def _death(error: Exception, num_workers: int) -> DataError:
    cause = " ".join(str(error).split()) or type(error).__name__
    return DataError(
        f"a loader process has died, and memory is the usual reason ({cause}); lower data.num_workers, now "
        f"{num_workers}, or give the run more memory (/dev/shm too: docker run --shm-size), and resume"
    )


@dataclass(frozen=True)
class _Failure:
    """Takes the place of an item that could not be read, and of its batch."""

    message: str


class _Guarded(Dataset[Any]):
    """A data set whose items may be failures."""

    def __init__(self, dataset: TrainingSet) -> None:
        self.dataset = dataset

    def __getitem__(self, key: tuple[int, int]) -> Batch | _Failure:
        try:
            return self.dataset[key]
        except OndesError as error:
            return _Failure(str(error))
        except Exception as error:
            utterance = self.dataset.reader.utterances[key[0]]
            logger.debug("%s: '%s'", utterance.path, utterance.utt_id, exc_info=True)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return _Failure(
                f"{utterance.path}: '{utterance.utt_id}' gives no training item ({reason}); correct the file or leave "
                "it out of the data directory"
            )


class _Collate:
    """Batch of items, or the first failure among them."""

    def __init__(self, collate: Callable[[list[Any]], Batch]) -> None:
        self.collate = collate

    def __call__(self, items: list[Any]) -> Batch | _Failure:
        for item in items:
            if isinstance(item, _Failure):
                return item
        try:
            return self.collate(items)
        except Exception as error:
            names = ", ".join(str(item.get("utt_id")) for item in items)
            return _Failure(f"the items of {names} do not form a batch: {' '.join(str(error).split())}")


class _WorkerSignals:
    """Signals in workers: Ctrl-C, SIGHUP and SIGTERM reach a whole process group, but the trainer still needs workers.

    SIGTERM ends a worker once the iteration is over, with exit code 0: torch takes anything else as a fault.
    """

    def __init__(self, is_over: Event | threading.Event) -> None:
        self.is_over = is_over

    def __call__(self, worker: int) -> None:
        del worker
        for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._end)
        sys.excepthook = _forgive_a_parting
        # A batch that cannot be handed over would be dropped, and waited for without end.
        multiprocessing.queues.Queue._on_queue_feeder_error = staticmethod(self._give_up)  # pyright: ignore

    def _give_up(self, error: BaseException, batch: object) -> None:
        del batch
        if not self.is_over.is_set():
            logger.error("a batch cannot be handed to the training: %s", " ".join(str(error).split()))
        os._exit(0 if self.is_over.is_set() else 1)

    def _end(self, number: int, frame: object) -> None:
        del number, frame
        if self.is_over.is_set():
            os._exit(0)


def _forgive_a_parting(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show an exception, but none of a batch that nobody takes: a signal may end the run while it is handed over."""
    if not issubclass(kind, ConnectionError):
        sys.__excepthook__(kind, error, trace)
