"""Functions that numba compiles at their first use and keeps on disk for the next process."""

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
        parts: the modules, or their files, that define what the function calls. numba looks at the function's own file
            alone to see whether what it has kept is out of date; the name of what is kept tells of these.
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
        except RuntimeError:  # neither the source's folder nor the user's cache can be written to
            return njit(nogil=True)(function)

    return decorate
