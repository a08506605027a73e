"""Memory of a server with many computing threads."""

import ctypes
import sys
from functools import cache
from typing import Any

__all__ = ["return_memory", "share_arenas"]

# M_ARENA_MAX, M_MMAP_THRESHOLD of glibc's malloc.h.
_ARENA_MAX, _MMAP_THRESHOLD = -8, -3
_ARENAS = 2
# Larger blocks are mapped separately, and return to the system when they are freed.
_MAPPED_BYTES = 1 << 20


def share_arenas() -> bool:
    """Let all threads allocate from two arenas; return whether the system supports it.

    By default glibc gives each thread a separate arena, and other threads cannot use the memory freed in it: after
    some dozens of requests the server had grown by 200 MB, without an end. Call this before any thread starts.
    """
    library = _glibc()
    return library is not None and bool(
        library.mallopt(_ARENA_MAX, _ARENAS) and library.mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES)
    )


def return_memory() -> None:
    """Return the free memory at the end of the heap and within it to the system."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        return library if library.mallopt and library.malloc_trim else None
    except (OSError, AttributeError):  # no glibc
        return None
