"""Busy processes beside a measurement, and what they cost."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["busy_processes", "compare_with_quiet"]

_LOOP = "print(flush=True)\nwhile True: pass"


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep ``count`` processes busy during the block, each with one thread."""
    command = [sys.executable, "-I", "-S", "-c", _LOOP]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # it says when it begins
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def compare_with_quiet(
    quiet: Sequence[dict[str, Any]], busy: Sequence[dict[str, Any]], load: int
) -> list[dict[str, Any]]:
    """Return the rows of ``busy`` with the number of busy processes and the real-time factor without them."""
    return [row | {"load": load, "quiet_rtf": before["rtf"]} for before, row in zip(quiet, busy, strict=True)]
