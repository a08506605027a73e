"""Time limit for long work."""

import time
from collections.abc import Callable

from vocoders.core.errors import DataError

__all__ = ["MAX_WORK_SECONDS", "with_deadline"]

MAX_WORK_SECONDS = 120.0


def with_deadline(
    progress: Callable[[float], None] | None, seconds: float = MAX_WORK_SECONDS
) -> Callable[[float], None]:
    """Return a progress function that forwards fractions, and raises DataError after the time limit."""
    started = time.monotonic()

    def report(fraction: float) -> None:
        if fraction < 1 and time.monotonic() - started > seconds:
            raise DataError(
                f"{100 * fraction:.0f} % were done after {seconds:.0f} s, the limit; "
                "send a shorter clip, or choose fewer steps or a smaller model"
            )
        if progress is not None:
            progress(fraction)

    return report
