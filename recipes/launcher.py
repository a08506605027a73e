"""Read and check the environment that a launcher such as torchrun sets, and wait for all processes.

A missing or contradictory variable is an error before any work; so is a process that does not start.
"""

import errno
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from vocoders.core.errors import ConfigError

__all__ = ["Launch", "Store", "join_processes", "read_launch"]

_NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# Variables in which other launchers count their processes.
_FOREIGN_COUNTS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
_ADVICE = "start processes with torchrun, or unset {} to train in one process"
# Processes start together; a longer delay is a fault.
_PATIENCE_SECONDS = 60.0
_TRY_SECONDS = 2.0


@dataclass(frozen=True)
class Launch:
    """This process among those of a run.

    Attributes:
        rank: number of this process among all.
        world_size: number of all processes.
        local_rank: number of this process, and of its GPU, on its machine.
        address: name or address of the machine of process 0.
        port: port of process 0 there.
        has_agent: whether the launcher listens at that port, like torchrun.
        attempt: number of restarts of all processes by the launcher.
    """

    rank: int
    world_size: int
    local_rank: int
    address: str
    port: int
    has_agent: bool = False
    attempt: str = "0"

    @property
    def place(self) -> str:
        """Address and port."""
        return f"{self.address}:{self.port}"


class Store(Protocol):
    """What the processes of a run can leave for each other."""

    def set(self, key: str, value: str, /) -> None:
        """Leave a value under a key."""
        ...

    def check(self, keys: list[str], /) -> bool:
        """Return whether all of these keys have a value."""
        ...


def read_launch(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """Return the variables of a launcher, ``None`` without a launcher.

    Raises:
        ConfigError: if a variable is missing, is not a number, or contradicts another one.
    """
    given = {name: value.strip() for name, value in environment.items() if value.strip()}
    if not any(name in given for name in _NEEDED[:3]):
        for name in _FOREIGN_COUNTS:
            if given.get(name, "1") not in ("0", "1"):
                found = f"{name}={given[name]}, but RANK and WORLD_SIZE are not set: each process would train alone"
                raise ConfigError(f"{found}; start them with torchrun, or only one")
        return None
    present = [name for name in _NEEDED if name in given]
    missing = [name for name in _NEEDED if name not in given]
    if missing:
        advice = _ADVICE.format(" and ".join(name for name in present if name in _NEEDED[:3]))
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigError(f"{', '.join(present)} set, but {', '.join(missing)} {verb} missing; {advice}")
    world_size = _number(given, "WORLD_SIZE", 1)
    rank = _number(given, "RANK", 0, world_size, "WORLD_SIZE")
    local_size = _number(given, "LOCAL_WORLD_SIZE", 1, world_size + 1, "WORLD_SIZE + 1", str(world_size))
    local_rank = _number(given, "LOCAL_RANK", 0, local_size, "LOCAL_WORLD_SIZE")
    if local_rank > rank:
        raise ConfigError(f"LOCAL_RANK {local_rank} exceeds RANK {rank}; expected at most the rank")
    port = _number(given, "MASTER_PORT", 1, 1 << 16)
    has_agent = given.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    attempt = given.get("TORCHELASTIC_RESTART_COUNT", "0")
    return Launch(rank, world_size, local_rank, given["MASTER_ADDR"], port, has_agent, attempt)


def join_processes(launch: Launch | None, patience: float = _PATIENCE_SECONDS) -> Store | None:
    """Wait until all processes of a launch have connected.

    Args:
        launch: from :func:`read_launch`.
        patience: longest wait in seconds.

    Returns:
        The store that connects them, to be kept until their process group exists. ``None`` for a single process.

    Raises:
        ConfigError: if there is no GPU for this process, the address or port of process 0 cannot be used, or a process
            does not connect.
    """
    if launch is None:
        return None
    _check_device(launch)
    try:
        socket.getaddrinfo(launch.address, launch.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        cause = getattr(error, "strerror", None) or error
        found = f"MASTER_ADDR '{launch.address}' cannot be resolved: {cause}"
        raise ConfigError(f"{found}; name the machine of RANK 0") from None
    deadline = time.monotonic() + patience
    if launch.rank == 0 and not launch.has_agent:
        _check_own_port(launch)
    else:
        _wait_for_port(launch, deadline, patience)
    return _meet(launch, deadline, patience)


def _number(
    given: Mapping[str, str], name: str, low: int, high: int | None = None, bound: str = "", default: str = ""
) -> int:
    """Return a whole number in ``low`` .. ``high - 1``; ``bound`` is the name of ``high``."""
    text = given.get(name, default)
    value = int(text) if text.isascii() and text.lstrip("-").isdecimal() else None
    if value is None or value < low or (high is not None and value >= high):
        expected = f"a whole number from {low}" + (f" to {high - 1}" if high is not None else "")
        because = f", since {bound} is {high}" if bound and high is not None else ""
        raise ConfigError(f"{name} is '{text}'; expected {expected}{because}")
    return value


def _check_device(launch: Launch) -> None:
    import torch

    wants_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    if wants_cpu or not torch.accelerator.is_available():
        return
    count = torch.accelerator.device_count()
    if launch.local_rank >= count:
        found = f"LOCAL_RANK {launch.local_rank}, but this machine has {count} GPUs"
        raise ConfigError(f"{found}; start at most {count} processes on it (torchrun --nproc_per_node {count})")


def _check_own_port(launch: Launch) -> None:
    """Check that process 0 can listen at its address and port."""
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    try:
        server = socket.create_server(("", launch.port), family=family, dualstack_ipv6=dual)
    except OSError as error:
        used = error.errno == errno.EADDRINUSE
        cause = "is in use on this machine" if used else f"cannot be used: {error.strerror}"
        raise ConfigError(f"MASTER_PORT {launch.port} {cause}; choose another one") from None
    with server:
        try:
            socket.create_connection((launch.address, launch.port), timeout=_TRY_SECONDS).close()
        except OSError:
            found = f"MASTER_ADDR {launch.address} does not lead to this machine, which is that of RANK 0"
            raise ConfigError(f"{found}; set it to an address of this machine") from None


def _wait_for_port(launch: Launch, deadline: float, patience: float) -> None:
    """Wait until process 0 listens at its address and port."""
    while (left := deadline - time.monotonic()) > 0:
        with suppress(OSError):
            socket.create_connection((launch.address, launch.port), timeout=max(min(left, _TRY_SECONDS), 0.01)).close()
            return
        time.sleep(min(0.2, max(left, 0)))
    found = f"RANK 0 cannot be reached at {launch.place} within {patience:g} s"
    raise ConfigError(f"{found}; is it running there, and MASTER_ADDR and MASTER_PORT the same for all?")


def _meet(launch: Launch, deadline: float, patience: float) -> Store:
    import torch.distributed as distributed

    left = timedelta(seconds=max(deadline - time.monotonic(), 1.0))
    is_host = launch.rank == 0 and not launch.has_agent
    try:
        # The same server later serves the process group.
        # Documented by torch, but not in its ``__all__``.
        store = distributed.TCPStore(  # pyright: ignore[reportPrivateImportUsage]
            launch.address, launch.port, launch.world_size, is_host, left, wait_for_workers=False, multi_tenant=True
        )
        here = [f"ondes/{launch.attempt}/{rank}" for rank in range(launch.world_size)]
        store.set(here[launch.rank], "here")
        # The wait of the store itself writes long warnings when it times out.
        while not (complete := store.check(here)) and time.monotonic() < deadline:
            time.sleep(0.1)
        absent = [] if complete else [str(rank) for rank, key in enumerate(here) if not store.check([key])]
    except RuntimeError as error:
        cause = str(error).splitlines()[0]
        raise ConfigError(f"the processes cannot meet at {launch.place}: {cause}") from None
    if absent:
        found = f"of {launch.world_size} processes RANK {', '.join(absent)} did not come within {patience:g} s"
        raise ConfigError(f"{found}; start all of them, or lower WORLD_SIZE")
    return store
