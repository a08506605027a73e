"""Locks between processes, which end with their process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["locked"]


@contextmanager
def locked(path: Path, for_writing: bool) -> Iterator[None]:
    """Hold a lock in the block: one process that writes, or any number that read.

    Where a lock cannot be made, in a folder that nobody can write or on a file system without locks, there is none.
    """
    stream = None
    if fcntl is not None:
        try:
            stream = open(path, "a+b")
            fcntl.flock(stream, fcntl.LOCK_EX if for_writing else fcntl.LOCK_SH)
        except OSError:
            pass
    try:
        yield
    finally:
        if stream is not None:
            stream.close()
