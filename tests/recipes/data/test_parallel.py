"""Work in several processes: order, errors, and what a killed or interrupted parent leaves behind."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from recipes.data.parallel import map_parallel
from vocoders.core.atomic import atomic_file
from vocoders.core.errors import DataError, WorkersDiedError

SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from recipes.data.parallel import map_parallel

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else None

def work(job):
    folder, number = job
    Path(folder, f"pid{os.getpid()}").touch()
    time.sleep(0.2)
    Path(folder, f"done{number}").touch()

if __name__ == "__main__":
    # A shell starts its background jobs with interrupts ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    list(map_parallel(work, [(str(FOLDER), number) for number in range(500)], 2, "working"))
"""


def fail_on_three(number: int) -> int:
    if number == 3:
        raise DataError("three.wav: cannot be used")
    return number * number


def die_on_odd_numbers(number: int, folder: Path) -> int:
    """Leave half a file, as a process does that is killed (3) or asked to end (5)."""
    if number in (3, 5):
        with atomic_file(folder / "whole.txt") as half:
            half.touch()
            os.kill(os.getpid(), signal.SIGKILL if number == 3 else signal.SIGTERM)
            time.sleep(60)
    return number


def test_results_keep_their_order_and_errors_come_through() -> None:
    assert list(map_parallel(abs, [-5, 3, -1, 0], 2, "working")) == [5, 3, 1, 0]
    assert list(map_parallel(abs, [], 2, "working")) == []
    for nj in (1, 2):
        with pytest.raises(DataError, match="three.wav"):
            list(map_parallel(fail_on_three, range(6), nj, "working"))


def test_an_item_that_ends_its_process_is_lost_and_the_others_are_done(caplog, tmp_path) -> None:
    work = partial(die_on_odd_numbers, folder=tmp_path)
    found = list(map_parallel(work, range(7), 2, "working", 2, lost=lambda number: -number, folders=[tmp_path]))
    assert found == [0, 1, 2, -3, 4, -5, 6]
    assert 1 <= len([record for record in caplog.records if record.levelname == "WARNING"]) <= 2
    assert not list(tmp_path.iterdir())


def test_without_a_result_for_lost_items_a_dead_worker_is_one_line(tmp_path) -> None:
    with pytest.raises(WorkersDiedError, match="3"):
        list(map_parallel(partial(die_on_odd_numbers, folder=tmp_path), [3, 4], 2, "working"))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see the processes")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_parent(tmp_path: Path, repository: Path, ending: signal.Signals) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    parent = subprocess.Popen([sys.executable, script, tmp_path], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("pid*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int(path.name.removeprefix("pid")) for path in tmp_path.glob("pid*")]
    assert len(workers) == 2
    parent.send_signal(ending)
    parent.wait(timeout=180)
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in workers if alive(pid)]
    assert parent.returncode != 0
    assert len(list(tmp_path.glob("done*"))) < 400
