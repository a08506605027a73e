"""Threads: what a process may use, and how its threads wait."""

import os
import subprocess
import sys

import pytest
import torch

from vocoders.core import threads


@pytest.fixture
def free_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(("limit", "expected"), [("max 100000", 4), ("150000 100000", 2), ("20000 100000", 1)])
def test_a_container_limits_the_cores(free_environment, tmp_path, limit, expected):
    (tmp_path / "cpu.max").write_text(limit + "\n")
    free_environment.setattr(threads, "_CGROUP", tmp_path)
    free_environment.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3})
    assert threads.usable_cores() == threads.default_threads() == expected


def test_many_cores_are_not_all_taken(free_environment, tmp_path):
    free_environment.setattr(threads, "_CGROUP", tmp_path)
    free_environment.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    assert threads.usable_cores() == 64
    assert threads.default_threads() == 8


def test_the_users_number_goes_before_the_default(free_environment):
    before = torch.get_num_threads()
    try:
        threads.set_threads(3)
        assert torch.get_num_threads() == 3
        free_environment.setenv("OMP_NUM_THREADS", "5")
        threads.set_threads()
        assert torch.get_num_threads() == 3
        free_environment.delenv("OMP_NUM_THREADS")
        threads.set_threads()
        assert torch.get_num_threads() == threads.default_threads()
    finally:
        torch.set_num_threads(before)


def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(free_environment):
    program = "import os, vocoders; print(os.environ.get('OMP_WAIT_POLICY'))"

    def policy(**given: str) -> str:
        command = [sys.executable, "-c", program]
        return subprocess.run(
            command, env=os.environ | given, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert policy() == "PASSIVE"
    assert policy(OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"
    assert policy(GOMP_SPINCOUNT="1000") == "None"
