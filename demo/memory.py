"""Memory of a server whose requests are computed by many threads."""

import ctypes
import sys

__all__ = ["share_arenas"]

# M_ARENA_MAX of glibc's malloc.h.
_ARENA_MAX = -8
_ARENAS = 2


def share_arenas() -> bool:
    """Let all threads allocate from two arenas; return whether the system can.

    By default glibc gives each thread an arena of its own, and what one frees the others cannot use: after some dozens
    of requests the server kept 200 MB more, and went on growing. To be called before there are threads.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS))
    except (OSError, AttributeError):  # no glibc
        return False
