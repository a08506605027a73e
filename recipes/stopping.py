"""Signals that ask a run to end: Ctrl-C, SIGTERM, SIGUSR1 before a time limit, SIGHUP of a terminal that closes.

A request never ends the process by itself. A step is finished; what changes nothing, such as the wait for a batch or a
validation, is left at once.
"""

import logging
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

__all__ = ["STOPPED", "STOPPED_FILE", "LeaveAtOnce", "StopRequest", "TrainingStopped"]

Result = TypeVar("Result")
logger = logging.getLogger(__name__)

#: Exit code of a run that a signal ended after its checkpoint (EX_TEMPFAIL): the same command continues it.
STOPPED = 75
#: What a stopped run leaves in its folder: signal and step. torchrun replaces the exit code by its own.
STOPPED_FILE = "stopped.json"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
# A launcher passes on a Ctrl-C that its processes have received from the terminal too.
_SECONDS_OF_ONE_REQUEST = 1.0


class TrainingStopped(BaseException):
    """A signal ended the run; its checkpoint is written. Not an error, like KeyboardInterrupt."""


class LeaveAtOnce(BaseException):
    """Ends what :meth:`StopRequest.attempt` does."""


class StopRequest:
    """The first signal that asks this process to stop; a second Ctrl-C ends the process at once.

    Attributes:
        number: the signal; ``None``: none has arrived.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._since = 0.0
        self._interruptible = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Handle the signals within the block; only the main thread can. Under nohup, SIGHUP stays ignored."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        wanted = [n for n in _SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._receive) for number in wanted}
        hook, sys.unraisablehook = sys.unraisablehook, self._note_lost
        try:
            yield
        finally:
            sys.unraisablehook = hook
            for number, handler in before.items():
                signal.signal(number, handler)

    @property
    def name(self) -> str:
        """Name of the signal; empty without one."""
        return "" if self.number is None else signal.Signals(self.number).name

    @property
    def consequence(self) -> BaseException:
        """How the run ends after its checkpoint: KeyboardInterrupt after Ctrl-C, else TrainingStopped."""
        return KeyboardInterrupt() if self.number in (None, signal.SIGINT) else TrainingStopped()

    def __bool__(self) -> bool:
        """Return whether the run should stop."""
        return self.number is not None

    def follow(self) -> None:
        """Stop because another process of the run was asked to."""
        if self.number is None:
            self.number = signal.SIGTERM

    def check(self) -> None:
        """Raise :class:`LeaveAtOnce` if the run should stop.

        Work of many parts calls it between them: Python loses an exception that a signal raises while it cleans up an
        object.
        """
        if self:
            raise LeaveAtOnce

    def attempt(self, work: Callable[[], Result]) -> Result | None:
        """Return the result of ``work``, or ``None`` as soon as a signal arrives, or if one has arrived before.

        The work must have no effect that matters.
        """
        try:
            try:
                self._interruptible = True
                return None if self else work()
            finally:
                self._interruptible = False
        except LeaveAtOnce:
            return None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGHUP:
            _leave_lost_terminal()
        now = time.monotonic()
        if self.number is None:
            self.number, self._since = number, now
            logger.warning("%s: stopping; a checkpoint will be written", self.name)
        elif number == signal.SIGINT and now - self._since > _SECONDS_OF_ONE_REQUEST:
            raise KeyboardInterrupt
        if self._interruptible:
            self._interruptible = False
            raise LeaveAtOnce

    @staticmethod
    def _note_lost(lost: "sys.UnraisableHookArgs") -> None:
        if lost.exc_type is not LeaveAtOnce:
            sys.__unraisablehook__(lost)


def _leave_lost_terminal() -> None:
    """Write to nowhere what would go to a terminal that has closed, where it would be an error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        try:
            is_lost = stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor)
        except OSError:  # not open
            continue
        if is_lost:
            os.dup2(nowhere, descriptor)
    os.close(nowhere)
