"""Functions that numba compiles at their first use and caches on disk."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from numba import njit

__all__ = ["compiled"]


def compiled(*parts: ModuleType | str) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function, without Python's lock.

    Args:
        parts: the modules, or their files, of the functions that it calls. numba checks the function's own file alone
            to see whether its cache is out of date, so the name of the cache depends on these.
    """
    digest = hashlib.sha256()
    for part in parts:
        file = part if isinstance(part, str) else part.__file__
        assert file is not None, f"{part} has no source"
        digest.update(Path(file).read_bytes())

    def decorate(function: Callable[..., Any]) -> Any:
        function.__qualname__ += f"_{digest.hexdigest()[:12]}"
        try:
            return njit(nogil=True, cache=True)(function)
        except RuntimeError:  # neither the source's folder nor the user's cache is writable
            return njit(nogil=True)(function)

    return decorate
