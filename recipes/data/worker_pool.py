"""Processes that share work; one that dies is replaced, and what it worked on is tried again."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from vocoders.core.atomic import remove_remains, remove_temporaries
from vocoders.core.errors import WorkersDiedError

__all__ = ["LOST", "WorkerPool"]

# In place of the result of an item whose process died twice.
LOST = object()
_NO_WARNING = "ignore:resource_tracker:UserWarning"
# So many of them without a result in between are no matter of single items.
_MOST_LOST = 8


class WorkerPool:
    """Calls a function for chunks of items in several processes.

    A process may die: the system ends it for lack of memory, a library crashes, somebody kills it. Then nobody knows
    which item did it. Those in hand are done again, each alone; one that ends its process again is lost.

    Args:
        function: a picklable function of one picklable argument.
        nj: number of processes.
        folders: where the function writes files; what a killed process leaves half written there is removed.
    """

    def __init__(self, function: Callable[[Any], Any], nj: int, folders: Sequence[Path] = ()) -> None:
        self._function, self._nj, self._folders = function, nj, folders
        self._executor: ProcessPoolExecutor | None = None
        self._others: set[BaseProcess] = set()
        self._workers: set[int] = set()
        self._lost = 0

    def results(self, chunks: Sequence[Sequence[Any]], on_death: Callable[[], None]) -> Iterator[list[Any]]:
        """Yield the results of each chunk in order, with :data:`LOST` in place of those that are lost.

        Args:
            chunks: the items.
            on_death: called when a process has died.

        Raises:
            WorkersDiedError: if processes die whatever they work on.
        """
        waiting = deque(enumerate(chunks))
        running: dict[Future[list[Any]], int] = {}
        finished: dict[int, list[Any]] = {}
        try:
            for number in range(len(chunks)):
                while number not in finished:
                    try:
                        self._submit(waiting, running)
                        for future in wait(running, return_when=FIRST_COMPLETED).done:
                            finished[running[future]] = future.result()
                            del running[future]
                            self._lost = 0
                    except BrokenProcessPool:
                        on_death()
                        finished |= self._do_again(running, chunks)
                        running.clear()
                yield finished.pop(number)
        finally:
            self._end()

    def _submit(self, waiting: "deque[tuple[int, Sequence[Any]]]", running: dict[Future[list[Any]], int]) -> None:
        """Give out a chunk for each process, and one more, so that none waits."""
        while waiting and len(running) <= self._nj:
            number, chunk = waiting[0]
            running[self._submitted(chunk, self._nj)] = number
            waiting.popleft()

    def _submitted(self, chunk: Sequence[Any], nj: int) -> "Future[list[Any]]":
        if self._executor is None:
            # A fork after torch has started its threads can hang; spawned workers start clean.
            context = multiprocessing.get_context("spawn")
            _start_tracker()
            self._others = set(multiprocessing.active_children())
            self._executor = ProcessPoolExecutor(nj, mp_context=context, initializer=_start_worker)
        future = self._executor.submit(_do_chunk, self._function, chunk)
        if len(self._workers) < nj:
            started = {*multiprocessing.active_children()} - self._others
            self._workers |= {process.pid for process in started if process.pid is not None}
        return future

    def _do_again(
        self, running: "dict[Future[list[Any]], int]", chunks: Sequence[Sequence[Any]]
    ) -> dict[int, list[Any]]:
        """Return the results of the chunks in hand, by their numbers, after a process has died."""
        self._end()
        finished = {}
        for future, number in running.items():
            broken = isinstance(future.exception(), BrokenProcessPool)
            finished[number] = [self._alone(item) for item in chunks[number]] if broken else future.result()
        self._end()
        return finished

    def _alone(self, item: Any) -> Any:
        """Return the result of an item in a process of its own."""
        try:
            result = self._submitted([item], 1).result()[0]
        except BrokenProcessPool:
            self._end()
            self._lost += 1
            if self._lost == _MOST_LOST:
                raise WorkersDiedError(
                    "worker processes die again and again; see their messages, or use a smaller --nj if memory is short"
                ) from None
            return LOST
        self._lost = 0
        return result

    def _end(self) -> None:
        """End the processes, which finish what they have in hand, and remove what killed ones have left."""
        if self._executor is None:
            return
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._executor = None
        for folder in self._folders:
            for worker in self._workers:
                remove_remains(folder, worker)
        self._workers.clear()


def _start_tracker() -> None:
    """Start Python's process that removes what others have shared.

    It must outlive them when a terminal closes, which it does for other signals, and need not warn of what they leave.
    """
    if _NO_WARNING not in sys.warnoptions:
        sys.warnoptions.append(_NO_WARNING)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _do_chunk(function: Callable[[Any], Any], chunk: Sequence[Any]) -> list[Any]:
    return [function(item) for item in chunk]


def _start_worker() -> None:
    # The parent handles Ctrl-C, and lets its workers finish their current file.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _clean_up_at_endings()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _clean_up_at_endings() -> None:
    """Leave no temporary file when somebody ends this worker, also during a long call into C."""
    endings = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def watch() -> None:
        while (number := os.read(reader, 1)[0]) not in endings:
            pass
        remove_temporaries()
        os._exit(128 + number)

    threading.Thread(target=watch, daemon=True).start()
    for ending in endings:
        signal.signal(ending, lambda number, frame: None)
    # Python's handler in C writes the number of each signal to it at once.
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)


def _end_with_parent() -> None:
    """End this worker when its parent is killed; else it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        remove_temporaries()
        os._exit(1)
