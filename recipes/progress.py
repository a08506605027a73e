"""Progress of long runs: a bar on a terminal, a line that changes in a notebook, lines in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["duration_words", "gauge", "track"]

Item = TypeVar("Item")
logger = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 30.0
_SECONDS_BETWEEN_CHANGES = 0.5
_NOTEBOOK_WIDTH = 80


def track(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yield ``items`` unchanged, and show how many of ``total`` are done."""
    started, done = time.monotonic(), 0
    with gauge(description, total, "items/s", counted=True) as advance:
        for done, item in enumerate(items, start=1):
            yield item
            advance(done)
    if not sys.stderr.isatty():
        logger.info("%s: %d of %d done in %.1f s", description, done, total, time.monotonic() - started)


@contextmanager
def gauge(
    description: str, total: float, unit: str, shown: bool = True, counted: bool = False, start: int = 0
) -> Iterator[Callable[[float], None]]:
    """Show the progress of work.

    Args:
        description: name of the work.
        total: amount of work.
        unit: unit of the speed, amount per second.
        shown: whether to show anything.
        counted: show the amount as a number; else in percent.
        start: amount done before.

    Yields:
        A function to call with the amount done so far.
    """
    if shown and sys.stderr.isatty():
        with _bar(description, total, unit, counted, start) as advance:
            yield advance
        return
    yield from _lines(description, total, unit, counted, shown, start)


def _lines(
    description: str, total: float, unit: str, counted: bool, shown: bool, start: float
) -> Iterator[Callable[[float], None]]:
    """Yield the function of :func:`gauge` for a log, or for a notebook, in which one line changes."""
    in_notebook = _in_notebook()
    started = last = time.monotonic()

    def tell(done: float) -> None:
        nonlocal last
        now = time.monotonic()
        pause = _SECONDS_BETWEEN_CHANGES if in_notebook else _SECONDS_BETWEEN_LINES
        if not shown or now - last < pause or not start < done < total:
            return
        last, speed = now, (done - start) / max(now - started, 1e-9)
        amount = f"{done:.0f} of {total:.0f}" if counted else f"{100 * done / total:.0f} %"
        line = f"{description}: {amount}, {_speed(speed, unit)}, {duration_words((total - done) / speed)} left"
        if in_notebook:
            sys.stderr.write(f"\r{line:<{_NOTEBOOK_WIDTH}}")
        else:
            logger.info("%s", line)

    yield tell
    if in_notebook and last != started:
        sys.stderr.write("\n")


def _in_notebook() -> bool:
    """Return whether a notebook shows what is written; a carriage return then starts the line again."""
    stream = getattr(sys.modules.get("ipykernel.iostream"), "OutStream", None)
    return stream is not None and isinstance(sys.stderr, stream)


@contextmanager
def _bar(description: str, total: float, unit: str, counted: bool, start: int) -> Iterator[Callable[[float], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn() if counted else TaskProgressColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    started = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total, speed="")
        bar.update(task, completed=start)

        def tell(done: float) -> None:
            # Speed over the last half minute, as soon as it contains two reports.
            recent = bar.tasks[0].speed or (done - start) / max(time.monotonic() - started, 1e-9)
            bar.update(task, completed=done, speed=_speed(recent, unit))

        yield tell


def _speed(speed: float, unit: str) -> str:
    return f"{speed:.{1 if speed >= 10 else 2}f} {unit}"


def duration_words(seconds: float) -> str:
    """Return a duration in its two largest units: 40 s, 3 min 5 s, 2 h 10 min, 5 d 3 h."""
    whole = round(max(seconds, 0.0))
    for size, unit, small, rest in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // small} {rest}"
    return f"{whole} s"
