"""Find the files of a folder: those that somebody means, and all of them while other processes change it."""

import logging
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from vocoders.core.errors import DataError
from vocoders.core.limits import limit

__all__ = ["check_searchable", "search_folder", "stat_files"]

_logger = logging.getLogger(__name__)

# A search that takes longer tells where it is, again and again.
_SILENT_SECONDS = 5.0
# What the kernel shows of itself: without end, and no files of anybody.
_SYSTEM = ("/proc", "/sys", "/dev")
_MEMORY = Path("/dev/shm")


def search_folder(folder: Path) -> Iterator[Path]:
    """Yield all files below ``folder``, sorted by folder; hidden names are left out.

    Links to folders are followed once, but not to the root of the machine and to folders of the system.

    Raises:
        DataError: for the root of the machine or a folder of the system, and above the limit ``search``.
    """
    check_searchable(folder)
    visited: set[str] = set()
    count, most = 0, limit("search")
    started = told = time.monotonic()
    for parent, folders, files in os.walk(folder, followlinks=True):
        if (now := time.monotonic()) - told > _SILENT_SECONDS:
            told = now
            text = "looking for files below %s for %.0f s, now in %s; Ctrl-C ends it"
            _logger.info(text, folder, now - started, parent)
        real = os.path.realpath(parent)
        if real in visited or _reason(Path(real)):
            folders.clear()
            continue
        visited.add(real)
        count += len(folders) + len(files)
        if count > most:
            remedy = f"give a smaller one, or raise the limit: ONDES_LIMIT_SEARCH={10 * most}"
            raise DataError(f"{folder} has more than {most} files and folders; {remedy}")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(parent, name)


def stat_files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files below ``folder`` with their sizes and times; links, and what vanishes meanwhile, are left out."""
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            try:
                state = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(state.st_mode):
                yield path, state


def check_searchable(folder: Path) -> None:
    """Refuse a folder that nobody can mean.

    Raises:
        DataError: for the root of the machine, and folders in which the system shows itself.
    """
    if reason := _reason(Path(os.path.realpath(folder))):
        raise DataError(f"{folder} {reason}; give the folder of the files that are meant")


def _reason(real: Path) -> str:
    """Return why a folder, whose links are resolved, is not searched; empty if it is."""
    if real == real.parent:
        return "is the root of all folders of this machine"
    is_system = any(real.is_relative_to(place) for place in _SYSTEM) and not real.is_relative_to(_MEMORY)
    return "is a folder in which the system shows itself" if is_system else ""
