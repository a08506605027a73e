"""Files that nobody needs any more: those of visitors who left, old ones, and the oldest beyond a limit."""

import logging
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from demo.folders import is_kept, results_folder, temporary_folder
from vocoders.core.errors import DataError
from vocoders.core.folder_search import stat_files

__all__ = ["MAX_BYTES", "Cleaner", "own_temporary_folder"]

_logger = logging.getLogger(__name__)

MAX_BYTES = 500 << 20
"""Limit of all files of visitors together."""
_MAX_SECONDS = 3600.0
_PAUSE = 15.0
_PREFIX = "ondes-demo-"


class Cleaner:
    """Removes files of visitors that are old, or the oldest ones beyond a limit.

    Args:
        max_bytes: limit of all files together.
        max_seconds: greatest age of a file.
        pause: seconds between two looks.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, max_seconds: float = _MAX_SECONDS, pause: float = _PAUSE) -> None:
        self.max_bytes, self.max_seconds, self.pause = max_bytes, max_seconds, pause

    def start(self) -> None:
        """Look again and again in a thread."""
        threading.Thread(target=self._work, name="cleaner", daemon=True).start()

    def clean(self) -> int:
        """Remove what is too much; return the bytes of what stays."""
        found, now = sorted(_files()), time.time()
        total = sum(size for _, size, _ in found)
        for changed, size, path in found:
            if total <= self.max_bytes and now - changed <= self.max_seconds:
                continue
            path.unlink(missing_ok=True)
            total -= size
            _remove_empty(path.parent)
        return total

    def _work(self) -> None:
        while True:
            time.sleep(self.pause)
            try:
                self.clean()
            except OSError as error:  # a file that went meanwhile
                _logger.info("cleaning: %s", error)


def own_temporary_folder() -> Path | None:
    """Give the server a folder for the files of its visitors, unless the environment names one; return it.

    Folders of servers that were killed are removed.

    Raises:
        DataError: if there is no folder for temporary files.
    """
    if "GRADIO_TEMP_DIR" in os.environ:
        return None
    try:
        temporary = Path(tempfile.gettempdir())
    except OSError:
        raise DataError("no folder for temporary files can be written; set TMPDIR to one") from None
    for old in temporary.glob(f"{_PREFIX}*"):
        process = old.name.removeprefix(_PREFIX).split("-")[0]
        if process.isdigit() and not _is_alive(int(process)):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to someone else
        return True
    return True


def _files() -> list[tuple[float, int, Path]]:
    """Return time of change, size and path of every file of visitors."""
    found = stat_files(temporary_folder())
    return [(state.st_mtime, state.st_size, path) for path, state in found if not is_kept(path)]


def _remove_empty(folder: Path) -> None:
    while folder not in (temporary_folder(), results_folder()) and folder.is_relative_to(temporary_folder()):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
