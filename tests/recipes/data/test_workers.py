"""Loader processes: their errors name the file, a dead one ends the iteration, and none outlives it."""

import errno
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from recipes.data.dataset import TrainingSet, collate
from recipes.data.sampler import ShuffledOrder, StepBatchSampler
from recipes.data.workers import BatchLoader
from vocoders.core.errors import DataError


class Items(TrainingSet):
    """Items of one number; what happens at item 3 is ``fault``."""

    def __init__(self, fault=lambda: None):
        self.reader = SimpleNamespace(
            utterances=[SimpleNamespace(path=Path(f"/corpus/{n}.wav"), utt_id=f"utt{n}") for n in range(4)]
        )
        self.fault = fault

    def __getitem__(self, key):
        if key[0] == 3:
            self.fault()
        return {"audio": torch.tensor([key[0]]), "utt_id": f"utt{key[0]}"}


def loader_of(items: TrainingSet, num_workers: int, gather=collate) -> BatchLoader:
    return BatchLoader(items, StepBatchSampler(ShuffledOrder([1] * 4, 0), 2), gather, num_workers)


def draw(loader: BatchLoader, count: int) -> None:
    with loader.open() as batches:
        for _ in range(count):
            next(batches)


def raise_index_error():
    raise IndexError("index 81 is out of\nbounds")


def raise_data_error():
    raise DataError("the file is cut off")


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(
    ("fault", "words"), [(raise_index_error, r"/corpus/3\.wav: 'utt3' .*IndexError"), (raise_data_error, "cut off")]
)
def test_a_failing_item_is_an_error_with_its_file(num_workers, fault, words):
    started = time.monotonic()
    with pytest.raises(DataError, match=words) as caught:
        draw(loader_of(Items(fault), num_workers), 3)
    assert "\n" not in str(caught.value)
    assert not multiprocessing.active_children()
    assert time.monotonic() - started < 40


def test_items_that_do_not_fit_together_are_named():
    def gather(items):
        raise RuntimeError("stack expects\neach tensor to be equal size")

    with pytest.raises(DataError, match="utt.*equal size"):
        next(iter(loader_of(Items(), 1, gather)))


def test_a_killed_worker_is_an_error():
    """As when the system ends it because memory is short."""
    killed = Items(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(DataError, match=r"loader process has died.*data\.num_workers"):
        draw(loader_of(killed, 2), 3)
    assert not multiprocessing.active_children()


def test_a_batch_that_cannot_be_handed_over_is_an_error():
    """As when the shared memory is full: a thread of multiprocessing would drop it, and the training wait for ever."""

    def gather(items):
        return {"audio": lambda: items}

    with pytest.raises(DataError, match=r"loader process has died.*shm"):
        draw(loader_of(Items(), 1, gather), 1)
    assert not multiprocessing.active_children()


def test_workers_that_cannot_start_name_the_shared_memory(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(multiprocessing.get_context(), "Event", full)
    with pytest.raises(DataError, match=r"/dev/shm.*data\.num_workers"):
        loader_of(Items(), 2)
    assert next(iter(loader_of(Items(), 0)))


def test_workers_go_on_through_signals_and_end_with_the_block():
    with loader_of(Items(), 2).open() as batches:
        # One batch of each worker: both have begun.
        next(batches), next(batches)
        workers = multiprocessing.active_children()
        assert len(workers) == 2
        for worker in workers:
            os.kill(worker.pid, signal.SIGTERM)
            os.kill(worker.pid, signal.SIGINT)
        for _ in range(20):
            next(batches)
    # On a busy machine they may have been killed after the grace; a signal has not ended them.
    assert all(worker.exitcode in (0, -signal.SIGKILL) for worker in workers)
    assert next(batches, None) is None


def test_a_batch_that_nobody_takes_leaves_no_traceback(capfd):
    """A thread of multiprocessing hands over batches; its errors go to the hook."""

    def part():
        for error in (BrokenPipeError("parted"), ValueError("a real one")):
            sys.excepthook(type(error), error, None)

    draw(loader_of(Items(part), 1), 2)
    shown = capfd.readouterr().err
    assert "parted" not in shown
    assert "a real one" in shown


def test_a_busy_worker_ends_too():
    """With an error in the block, which keeps its frames alive."""
    started = time.monotonic()

    def fail():
        with loader_of(Items(lambda: time.sleep(60)), 2).open():
            time.sleep(0.5)
            raise ValueError("elsewhere")

    with pytest.raises(ValueError, match="elsewhere"):
        fail()
    assert not multiprocessing.active_children()
    assert time.monotonic() - started < 40
