"""What a launcher says is taken whole, or refused before any work; and processes that do not come are named."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recipes.launcher import Launch, join_processes, read_launch
from vocoders.core.errors import ConfigError

WHOLE = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


def test_without_a_launcher_there_is_one_process() -> None:
    for environment in ({}, {"MASTER_ADDR": "node1", "MASTER_PORT": "1"}, {"RANK": ""}, {"SLURM_STEP_NUM_TASKS": "1"}):
        assert read_launch(environment) is None
    assert join_processes(None) is None


def test_a_whole_environment_is_read() -> None:
    assert read_launch(WHOLE) == Launch(1, 2, 1, "127.0.0.1", 29500)
    agent = {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "3", "LOCAL_WORLD_SIZE": "2"}
    assert read_launch(WHOLE | agent) == Launch(1, 2, 1, "127.0.0.1", 29500, True, "3")


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is missing") as caught:
        read_launch({key: value for key, value in WHOLE.items() if key != name})
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=f"{name} is missing"):
        read_launch(WHOLE | {name: " "})


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "LOCAL_RANK"])
def test_one_variable_alone_is_not_enough(name: str) -> None:
    with pytest.raises(ConfigError, match="MASTER_ADDR, MASTER_PORT.* torchrun"):
        read_launch({name: "0"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"RANK": "2"}, "RANK .*'2'.* 0 to 1, .*WORLD_SIZE is 2"),
        ({"RANK": "-1"}, "RANK is '-1'"),
        ({"RANK": "one"}, "RANK .*'one'"),
        ({"RANK": "1.0"}, "RANK is '1.0'"),
        ({"RANK": "²"}, "RANK is '²'"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE .*'0'.* from 1"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two'"),
        ({"LOCAL_RANK": "2"}, "LOCAL_RANK is '2'"),
        ({"LOCAL_RANK": "1", "RANK": "0"}, "LOCAL_RANK 1 .*RANK 0"),
        ({"LOCAL_WORLD_SIZE": "3"}, "LOCAL_WORLD_SIZE is '3'"),
        ({"LOCAL_WORLD_SIZE": "1"}, "LOCAL_RANK .*'1'.* 0 to 0"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT is 'http'"),
        ({"MASTER_PORT": "70000"}, "MASTER_PORT .*'70000'.* 1 to 65535"),
        ({"MASTER_PORT": "0"}, "MASTER_PORT is '0'"),
    ],
)
def test_contradictions_are_named(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_launch(WHOLE | changes)


@pytest.mark.parametrize("name", ["SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"])
def test_processes_of_other_launchers_do_not_train_as_strangers(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}=4.* RANK.* WORLD_SIZE"):
        read_launch({name: "4"})
    assert read_launch(WHOLE | {name: "2"}) is not None


def test_a_process_without_a_gpu_of_its_own_is_told(monkeypatch) -> None:
    monkeypatch.delenv("ACCELERATE_USE_CPU")
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    monkeypatch.setattr("torch.accelerator.device_count", lambda: 1)
    with pytest.raises(ConfigError, match="LOCAL_RANK 1.* 1 GPUs"):
        join_processes(read_launch(WHOLE), 0.1)


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"MASTER_PORT {used}.* in use"):
            join_processes(Launch(0, 2, 0, "127.0.0.1", used), 5)


def test_an_address_that_leads_nowhere_is_told(port: int) -> None:
    with pytest.raises(ConfigError, match="MASTER_ADDR.*no-such-host"):
        join_processes(Launch(1, 2, 1, "no-such-host.invalid", port), 5)
    started = time.monotonic()
    with pytest.raises(ConfigError, match=rf"RANK 0.* 127\.0\.0\.1:{port}.* 1 s"):
        join_processes(Launch(1, 2, 1, "127.0.0.1", port), 1)
    # An address that is set aside for documentation (RFC 5737) belongs to nobody.
    with pytest.raises(ConfigError, match=r"MASTER_ADDR 192\.0\.2\.1"):
        join_processes(Launch(0, 2, 0, "192.0.2.1", port), 1)
    assert time.monotonic() - started < 20


def test_processes_that_do_not_come_are_named(port: int) -> None:
    with pytest.raises(ConfigError, match=r"3 processes.* RANK 1, 2 .* 1 s"):
        join_processes(Launch(0, 3, 0, "127.0.0.1", port), 1)


def test_processes_meet_and_make_a_group_at_the_same_port(port: int) -> None:
    code = (
        "import torch.distributed as d, torch\n"
        "from recipes.launcher import *\n"
        "meeting = join_processes(read_launch(), 60)\n"
        "d.init_process_group('gloo')\n"
        "del meeting\n"
        "x = torch.tensor([float(d.get_rank() + 1)])\n"
        "d.all_reduce(x)\n"
        "print(x.item())\n"
        "d.destroy_process_group()\n"
    )
    processes = []
    for rank in ("1", "0"):
        environment = WHOLE | {"RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
        root = str(Path(__file__).parents[2])
        environment |= {"PYTHONPATH": root, "OMP_NUM_THREADS": "1", "PATH": ""}
        command = [sys.executable, "-c", code]
        processes.append(subprocess.Popen(command, env=environment, cwd=root, stdout=subprocess.PIPE, text=True))
    assert [process.communicate(timeout=120)[0].strip() for process in processes] == ["3.0", "3.0"]
