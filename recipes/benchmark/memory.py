"""Peak memory of one synthesis, in a separate process, without the memory of other systems.

The peak is what the kernel calls the high-water mark of the process; before it stands what the process takes with its
libraries loaded and no model built.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from recipes.benchmark.find import Request, create_system
from vocoders.core.errors import DataError

__all__ = ["peak_memory"]

_PACKAGES = Path(__file__).resolve().parents[2]
_SECONDS_TO_WAIT = 3600


def peak_memory(request: Request, seconds: float, threads: int) -> dict[str, float] | None:
    """Return ``peak`` and ``base`` in bytes; ``None`` on systems other than Linux, which do not record them.

    On a GPU the peak is that of its memory, and the base 0.

    Raises:
        DataError: if the process dies, for example for want of memory.
    """
    if not Path("/proc/self/status").exists():
        return None
    task = json.dumps({"request": request.to_dict(), "seconds": seconds, "threads": threads})
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_PACKAGES), environment.get("PYTHONPATH")]))
    command = [sys.executable, "-c", "from recipes.benchmark.memory import _report; _report()"]
    done = subprocess.run(
        command, input=task, capture_output=True, text=True, env=environment, timeout=_SECONDS_TO_WAIT, check=False
    )
    if done.returncode:
        cause = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"{request.name}: the process that measures memory ended with {done.returncode}: {cause}")
    return json.loads(done.stdout.splitlines()[-1])


def _report() -> None:
    """Synthesise once, in the process that :func:`peak_memory` starts; they exchange JSON."""
    import torch

    task = json.loads(sys.stdin.read())
    torch.set_num_threads(task["threads"])
    request = Request(**task["request"])
    base = _status("VmRSS")
    system = create_system(request)
    system.run(system.inputs(task["seconds"]))
    system.wait()
    if system.device.type == "cuda":
        found = {"peak": torch.cuda.max_memory_allocated(system.device), "base": 0}
    else:
        # Not getrusage: its mark survives exec, and begins with what the parent had.
        found = {"peak": _status("VmHWM"), "base": base}
    sys.stdout.write(json.dumps(found) + "\n")


def _status(field: str) -> int:
    """Return a number of bytes from the kernel's status of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise DataError(f"/proc/self/status has no {field}; memory cannot be measured on this system")
