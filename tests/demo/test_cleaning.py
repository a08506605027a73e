"""Files of visitors: bounded in size and age, and gone with their visitor."""

import errno
import os
import subprocess
import sys
import time
import wave
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from gradio.context import LocalContext

from demo.cleaning import Cleaner, own_temporary_folder
from demo.folders import forget_visitor, result_file, results_folder
from demo.limits import owned_path
from demo.messages import guarded
from demo.runs import Runs
from vocoders.core.errors import DataError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def write(path, size: int, age: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - age,) * 2)


def test_the_oldest_go_first_and_the_servers_own_stay(folder) -> None:
    write(folder / "examples" / "a", 1000, 9000)
    for name, age in (("results/server/b/c", 9000), ("results/x/1/a", 30), ("results/y/2/b", 20)):
        write(folder / name, 1000, age)
    write(folder / "hash" / "upload.wav", 1000, 10)
    assert Cleaner(max_bytes=2000).clean() == 2000
    assert not (folder / "results" / "x").exists(), "empty folders go, too"
    assert Cleaner(max_bytes=0).clean() == 0
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["a", "c"]


def test_old_files_go_at_any_size(folder) -> None:
    write(folder / "results" / "x" / "1" / "a", 10, 100)
    write(folder / "results" / "x" / "2" / "b", 10, 0)
    Cleaner(max_seconds=60).clean()
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["b"]


def test_results_lie_with_their_visitor(folder, monkeypatch) -> None:
    token = LocalContext.request.set(SimpleNamespace(session_hash="abc1234"))
    try:
        path = result_file(np.zeros(8, np.int16), 8000, "clip")
    finally:
        LocalContext.request.reset(token)
    own = result_file(np.zeros(8, np.int16), 8000, "clip")
    assert (results_folder() / "abc1234") in [parent for parent in (folder / path).parents]
    for strange in ("..", "", "abc/../..", "server"):
        forget_visitor(strange)
    assert os.path.exists(path)
    forget_visitor("abc1234")
    assert not os.path.exists(path)
    assert os.path.exists(own)


def use(visitor: str, *uploads: Path) -> None:
    """Read uploads in a request of a visitor."""
    token = LocalContext.request.set(SimpleNamespace(session_hash=visitor))
    for upload in uploads:
        owned_path(str(upload))
    LocalContext.request.reset(token)


def test_fresh_uploads_wait_for_a_request_of_another_visitor(folder, monkeypatch) -> None:
    monkeypatch.setattr("demo.folders.GRACE_SECONDS", 0.5)
    mine, ours = folder / "mine" / "clip.wav", folder / "ours" / "clip.wav"
    for path in (mine, ours):
        write(path, 10, 0)
    use("visitor-1", mine, ours)
    forget_visitor("visitor-1")
    # The second visitor has uploaded an equal file, which lies at the same path, and asks for its copy only now.
    use("visitor-2", ours)
    deadline = time.monotonic() + 60
    while mine.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not mine.exists()
    assert ours.exists()
    forget_visitor("visitor-2")


def test_uploads_go_with_their_last_visitor(folder, monkeypatch) -> None:
    monkeypatch.setattr("demo.folders.GRACE_SECONDS", 0.0)
    write(folder / "examples" / "speech.wav", 10, 0)
    for name in ("mine", "ours"):
        write(folder / name / "clip.wav", 10, 0)
    for visitor, uploads in (("visitor-1", ("mine", "ours")), ("visitor-2", ("ours",))):
        use(visitor, *(folder / upload / "clip.wav" for upload in uploads), folder / "examples" / "speech.wav")
    forget_visitor("visitor-1")
    assert sorted(path.parent.name for path in folder.rglob("*.wav")) == ["examples", "ours"]
    forget_visitor("visitor-2")
    assert [path.parent.name for path in folder.rglob("*.wav")] == ["examples"]


def test_folders_of_dead_servers_go_and_those_of_living_ones_stay(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone, living = tmp_path / f"ondes-demo-{dead.pid}-x", tmp_path / f"ondes-demo-{os.getpid()}-y"
    for each in (gone, living):
        each.mkdir()
    made = own_temporary_folder()
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    assert made is not None
    assert made.is_dir()
    assert not gone.exists()
    assert living.is_dir()


def test_a_machine_without_a_temporary_folder_is_one_line(monkeypatch) -> None:
    def fail() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", fail)
    with pytest.raises(DataError, match="TMPDIR"):
        own_temporary_folder()


def test_a_cancelled_run_ends_at_its_next_report() -> None:
    runs, seen = Runs(), []
    report = runs.watched("7", seen.append)
    report(0.5)
    runs.cancel("8")
    report(0.6)
    runs.cancel("7")
    with pytest.raises(DataError, match="cancelled"):
        report(0.7)
    assert seen == [0.5, 0.6]


def test_a_full_disk_leaves_no_half_of_a_result(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))

    def refuse(self, data):
        self._file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(wave.Wave_write, "writeframes", refuse)
    with pytest.raises(gr.Error, match="cannot store"):
        guarded()(result_file)(np.zeros(100, np.int16), 8000, "x")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
