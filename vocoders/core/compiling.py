"""Functions that numba compiles at their first use and caches on disk."""

import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

from vocoders.core.locking import locked

__all__ = ["compiled"]

_logger = logging.getLogger(__name__)

# What has been told in this process.
_told: set[str] = set()
_FIRST_USE = "compiling loops for this machine, once: some ten seconds"


def compiled(*parts: ModuleType | str) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function, without Python's lock.

    The code is kept in ``__pycache__`` beside the source, or in the user's cache folder; where neither can be written,
    or what is there is damaged, the function is compiled in every process, which is said once.

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
        made = njit(nogil=True)(function)
        try:
            made._cache = _SharedCache(function)  # pyright: ignore[reportAttributeAccessIssue]  (numba's own)
        except (RuntimeError, OSError):  # neither the source's folder nor the user's cache is writable
            _tell_once("no folder for compiled code can be written", "set NUMBA_CACHE_DIR to one")
        return made

    return decorate


class _SharedCache(FunctionCache):
    """numba's cache, for processes that use a function for the first time at the same moment.

    numba writes the number of a file into its index before the file itself, and two processes may choose one number, so
    a reader could get the code of other types, or of an older source. Here reading waits for writing. A damaged file,
    or a full disk, costs the time of compiling and nothing else.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return compiled code for a signature; ``None``: it is to be compiled."""
        try:
            with self._locked(for_writing=False):
                found = super().load_overload(sig, target_context)
        except Exception as error:  # pickles raise errors of any type
            _tell_once(f"{self.cache_path} contains damaged code ({type(error).__name__})", "it is compiled again")
            return None
        if found is None and sys.stderr.isatty() and _FIRST_USE not in _told:
            _told.add(_FIRST_USE)
            _logger.info(_FIRST_USE)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code."""
        try:
            with self._locked(for_writing=True):
                try:
                    super().save_overload(sig, data)
                except OSError:
                    raise
                except Exception:  # an index that cannot be read is replaced
                    self.flush()
                    super().save_overload(sig, data)
        except OSError as error:
            _tell_once(f"{self.cache_path}: {error.strerror or error}", "the compiled code is not kept")

    @contextmanager
    def _locked(self, for_writing: bool) -> Iterator[None]:
        folder = self._impl.locator.get_cache_path()
        if for_writing:
            os.makedirs(folder, exist_ok=True)
        with locked(Path(folder) / "ondes.lock", for_writing):
            yield


def _tell_once(problem: str, consequence: str) -> None:
    if problem not in _told:
        _told.add(problem)
        _logger.warning("%s; %s (every first use takes some seconds)", problem, consequence)
