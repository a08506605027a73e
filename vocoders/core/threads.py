"""Threads of the processor: how they wait for each other, and how many there are.

A network consists of hundreds of short parallel regions. By default the threads of OpenMP wait actively at the end of
each: on cores that another program uses, a thread that waits takes the time of the one that it waits for, and all get
more than ten times slower. Threads that sleep while they wait cost little on a quiet machine and share a busy one.
"""

import os
import sys
from pathlib import Path

__all__ = ["default_threads", "set_threads", "usable_cores", "wait_passively"]

# More threads than this do not make inference faster: the regions are too short.
_MOST_THREADS = 8
_CGROUP = Path("/sys/fs/cgroup")


def wait_passively() -> None:
    """Let threads of OpenMP sleep while they wait, unless the user's environment says otherwise.

    Effective only before torch is imported, since OpenMP reads its environment once. Child processes inherit it.
    """
    if "GOMP_SPINCOUNT" not in os.environ and "KMP_BLOCKTIME" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def usable_cores() -> int:
    """Return the number of cores that this process may use: by affinity and container."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quota = _quota()
    return cores if quota is None else max(1, min(cores, round(quota)))


def default_threads() -> int:
    """Return the number of threads for inference if the user asks for none."""
    return min(usable_cores(), _MOST_THREADS)


def set_threads(threads: int | None = None) -> None:
    """Set the number of threads of this process.

    Args:
        threads: the number; ``None``: :func:`default_threads`, unless the environment has ``OMP_NUM_THREADS``.
    """
    if threads is None and os.environ.get("OMP_NUM_THREADS"):
        return
    count = threads or default_threads()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    else:
        os.environ["OMP_NUM_THREADS"] = str(count)


def _quota() -> float | None:
    """Return the cores that the control group grants (cgroup 2, then 1), ``None`` without a limit."""
    try:
        if (_CGROUP / "cpu.max").exists():
            quota, period = (_CGROUP / "cpu.max").read_text().split()
        else:
            quota, period = ((_CGROUP / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError):  # no Linux, no limit ("max")
        return None
