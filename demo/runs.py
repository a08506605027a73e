"""Runs that visitors start and cancel."""

import threading
from collections import deque
from collections.abc import Callable

from vocoders.core.errors import DataError

__all__ = ["NEW_RUN", "Runs"]

NEW_RUN = "() => String(Math.random()).slice(2)"
"""Script that names a run."""


class Runs:
    """Cancelled runs by name; old names are dropped."""

    def __init__(self, capacity: int = 1000) -> None:
        self._cancelled: deque[str] = deque(maxlen=capacity)
        self._lock = threading.Lock()

    def cancel(self, run: str | None) -> None:
        """Cancel a run that is computed or waits."""
        if run:
            with self._lock:
                self._cancelled.append(run)

    def is_cancelled(self, run: str | None) -> bool:
        """Whether the run is cancelled."""
        with self._lock:
            return run in self._cancelled

    def watched(self, run: str | None, progress: Callable[[float], None]) -> Callable[[float], None]:
        """Return a progress function that forwards fractions, and raises :class:`DataError` after a cancellation."""

        def report(fraction: float) -> None:
            if self.is_cancelled(run):
                raise DataError("cancelled")
            progress(fraction)

        return report
