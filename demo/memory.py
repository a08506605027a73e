"""Memory of a server with many computing threads."""

import ctypes
import sys

__all__ = ["share_arenas"]

# M_ARENA_MAX of glibc's malloc.h.
_ARENA_MAX = -8
_ARENAS = 2


def share_arenas() -> bool:
    """Let all threads allocate from two arenas; return whether the system supports it.

    By default glibc gives each thread a separate arena, and other threads cannot use the memory freed in it: after
    some dozens of requests the server had grown by 200 MB, without an end. Call this before any thread starts.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS))
    except (OSError, AttributeError):  # no glibc
        return False
