"""Runs of one and two processes that are asked to stop or lose a part: all processes end soon, with a reason."""

import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from recipes.checkpoint import find_checkpoints, load_checkpoint
from recipes.config import TrainConfig
from recipes.trainer import Trainer
from vocoders.core.errors import DataError

VALID = ["trainer.valid_every=2", "trainer.checkpoint_every=3", "trainer.max_steps=100000", "data.batch_size=1"]


@pytest.fixture
def damaged(corpus, tmp_path) -> Path:
    """The corpus with a file that is shorter than its header says."""
    for name in ("data", "dump", "wav"):
        shutil.copytree(corpus / name, tmp_path / name)
    for path in (tmp_path / "data").iterdir():
        path.write_text(path.read_text().replace(str(corpus), str(tmp_path)))
    path = tmp_path / "wav" / "tone3.wav"
    path.write_bytes(path.read_bytes()[:30000])
    return tmp_path


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_file_that_was_cut_ends_the_run_with_its_name(damaged, make_config, num_workers):
    config = make_config(damaged).to_dict()
    config["data"] |= {"num_workers": num_workers, "batch_size": 5}
    trainer = Trainer(TrainConfig.from_dict(config), damaged / "run")
    with pytest.raises(DataError, match="tone3"):
        trainer.run()


def finish(processes, patience: float) -> list[str]:
    """Return the outputs of processes that must end soon."""
    deadline = time.monotonic() + patience
    return [process.communicate(timeout=max(deadline - time.monotonic(), 1))[0] for process in processes]


def wait_for_lines(folder: Path, count: int) -> None:
    deadline, path = time.monotonic() + 200, folder / "metrics.jsonl"
    while time.monotonic() < deadline and not (path.exists() and path.read_text().count("\n") >= count):
        time.sleep(0.02)


@pytest.mark.slow
def test_an_unreadable_file_ends_both_processes(damaged, launch_two):
    overrides = [f"data.train={damaged / 'data'}", "data.num_workers=1", "data.batch_size=2"]
    processes = launch_two(damaged / "run", *overrides)
    outputs = finish(processes, 300)
    assert [process.returncode for process in processes] == [2, 2], outputs
    assert any("tone3.wav" in output for output in outputs)
    assert not any("Traceback" in output for output in outputs)


@pytest.mark.slow
def test_a_killed_process_ends_the_other(launch_two, tmp_path):
    processes = launch_two(tmp_path / "run", "trainer.max_steps=100000", "data.batch_size=1")
    wait_for_lines(tmp_path / "run", 3)
    processes[1].kill()
    outputs = finish(processes, 120)
    assert processes[0].returncode == 2, outputs
    assert "another process of the run has ended" in outputs[0]


@pytest.mark.slow
@pytest.mark.parametrize("targets", [[1], [0, 1]])
def test_two_processes_stop_together_at_any_moment(corpus, launch_two, tmp_path, targets):
    """Also in a validation, which takes most of the time here, and when one process alone gets the signal."""
    folder = tmp_path / "run"
    processes = launch_two(folder, f"data.valid={corpus / 'data'}", "data.num_workers=1", *VALID)
    wait_for_lines(folder, 3)
    time.sleep(random.uniform(0, 1.5))
    sent = time.time()
    for target in targets:
        processes[target].send_signal(signal.SIGTERM)
    outputs = finish(processes, 120)
    assert [process.returncode for process in processes] == [75, 75], outputs
    assert not any("Traceback" in output for output in outputs)
    newest = find_checkpoints(folder / "checkpoints")[-1]
    assert newest.stat().st_mtime - sent < 20
    load_checkpoint(newest)
