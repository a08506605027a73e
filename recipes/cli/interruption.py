"""Ctrl-C and SIGTERM that work at once, even during a long call into C, and leave no temporary file.

Python handles Ctrl-C between two bytecode instructions. The pitch analysis of a long file is a single call of minutes,
too long to wait for.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from vocoders.core.atomic import remove_temporaries

__all__ = ["prompt_interruption"]

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)
_LEAVE_BAR = "\x1b[?25h\n"  # show the cursor, start a new line


def _ends(number: int) -> bool:
    """Return whether a signal ends this process; under nohup, SIGHUP does not."""
    return signal.getsignal(number) == signal.SIG_DFL


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _end_workers() -> None:
    """Ask worker processes to end now; those that are still starting would notice their parent's end late."""
    for worker in multiprocessing.active_children():
        worker.terminate()


@contextmanager
def prompt_interruption(grace_seconds: float = 2.0) -> Iterator[None]:
    """End the process with exit code 130 if it is still in the block shortly after Ctrl-C.

    For work that loses nothing by this: files are written under temporary names. If Python reacts in time, it raises
    KeyboardInterrupt as usual. SIGTERM, by which schedulers end jobs, and SIGHUP of a closed terminal do the same.

    Args:
        grace_seconds: time to wait for Python's reaction.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    left = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def watch() -> None:
        while (received := os.read(reader, 1)) not in (b"", b"\0"):
            if received[0] in (signal.SIGINT, *_ENDINGS) and not left.wait(grace_seconds):
                sys.stderr.write((_LEAVE_BAR if sys.stderr.isatty() else "") + "interrupted\n")
                sys.stderr.flush()
                _end_workers()
                remove_temporaries()
                os._exit(130)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    # Python's handler in C writes the number of each signal to it at once.
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    endings = {number: signal.signal(number, _interrupt) for number in _ENDINGS if _ends(number)}
    try:
        yield
    finally:
        left.set()
        for number, ending in endings.items():
            signal.signal(number, ending)
        signal.set_wakeup_fd(previous)
        os.write(writer, b"\0")
        watcher.join()
        os.close(reader)
        os.close(writer)
