"""Progress of long runs: a bar with speed and time left on a terminal, plain lines in a log elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["gauge", "track"]

Item = TypeVar("Item")
logger = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 30.0


def track(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yield ``items`` unchanged while showing how many of ``total`` are done."""
    if sys.stderr.isatty():
        yield from _bar(items, description, total)
    else:
        yield from _lines(items, description, total)


@contextmanager
def gauge(description: str, total: float, unit: str, shown: bool = True) -> Iterator[Callable[[float], None]]:
    """Show the progress of work that is measured and not counted.

    Args:
        description: what is going on.
        total: amount of work.
        unit: what stands behind the speed, which is an amount per second.
        shown: whether to show anything.

    Yields:
        A function to call with the amount that is done so far.
    """
    started = last = time.monotonic()
    if not shown or not sys.stderr.isatty():

        def tell(done: float) -> None:
            nonlocal last
            now = time.monotonic()
            if shown and now - last >= _SECONDS_BETWEEN_LINES and 0 < done < total:
                last, speed = now, done / (now - started)
                left = (total - done) / speed
                logger.info("%s: %.0f %%, %.1f %s, %.0f s left", description, 100 * done / total, speed, unit, left)

        yield tell
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    text = TextColumn("{task.fields[speed]}")
    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), text, TimeElapsedColumn()]
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, speed="")

        def draw(done: float) -> None:
            speed = done / max(time.monotonic() - started, 1e-9)
            progress.update(task, completed=done, speed=f"{speed:.1f} {unit}")

        yield draw


def _bar(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, speed="")
        started = time.monotonic()
        for done, item in enumerate(items, start=1):
            yield item
            speed = done / max(time.monotonic() - started, 1e-9)
            progress.update(task, completed=done, speed=f"{speed:.1f}/s")


def _lines(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    started = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES and done < total:
            last = now
            speed = done / max(now - started, 1e-9)
            left = (total - done) / speed
            logger.info("%s: %d of %d, %.1f/s, %.0f s left", description, done, total, speed, left)
    logger.info("%s: %d of %d done in %.1f s", description, done, total, time.monotonic() - started)
