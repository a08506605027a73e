"""One trainer in a folder; a lock without its trainer stops nobody."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from recipes import run_lock as module
from recipes.run_lock import LOCK_FILE, run_lock
from vocoders.core.errors import ConfigError


def record(**changes):
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": 0.0, "sign": 0} | changes


def enter(folder, patience=0.3):
    with run_lock(folder, patience):
        return json.loads((folder / LOCK_FILE).read_text())


def test_a_second_trainer_is_refused_and_the_first_leaves_nothing(tmp_path):
    with run_lock(tmp_path / "run"):
        with pytest.raises(ConfigError, match=f"process {os.getpid()} on {socket.gethostname()} trains in it"):
            enter(tmp_path / "run")
        assert (tmp_path / "run" / LOCK_FILE).exists()
    assert list((tmp_path / "run").iterdir()) == []
    assert enter(tmp_path / "run")["pid"] == os.getpid()


def test_the_lock_of_a_process_that_is_gone_is_taken_over(tmp_path, caplog):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for stale in (record(pid=gone.pid), record(started=1.0)):  # also when the number belongs to another process now
        (tmp_path / LOCK_FILE).write_text(json.dumps(stale))
        assert enter(tmp_path)["pid"] == os.getpid()
        assert "ended without a word" in caplog.text
    (tmp_path / LOCK_FILE).write_text("{}")
    assert enter(tmp_path)["pid"] == os.getpid()


def test_another_machine_is_believed_if_it_gives_signs_of_life(tmp_path):
    path = tmp_path / LOCK_FILE
    path.write_text(json.dumps(record(host="node7")))
    assert enter(tmp_path)["host"] == socket.gethostname()
    path.write_text(json.dumps(record(host="node7")))
    sign = threading.Timer(0.2, lambda: path.write_text(json.dumps(record(host="node7", sign=1))))
    sign.start()
    with pytest.raises(ConfigError, match="on node7 .*signs of life"):
        enter(tmp_path, 2.0)


def test_signs_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_SIGNS", 0.02)
    with run_lock(tmp_path):
        first = json.loads((tmp_path / LOCK_FILE).read_text())["sign"]
        deadline = time.monotonic() + 60
        while json.loads((tmp_path / LOCK_FILE).read_text())["sign"] <= first and time.monotonic() < deadline:
            time.sleep(0.02)
        assert json.loads((tmp_path / LOCK_FILE).read_text())["sign"] > first
