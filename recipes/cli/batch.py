"""Process many files, in this process or in several; a failed file does not stop the others."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import typer

__all__ = ["Job", "Report", "Work", "run_jobs", "share_of"]

_logger = logging.getLogger(__name__)

# A single file with less audio than this is done before a progress bar is of use.
_LONG_SECONDS = 30.0
# With more files, the first errors have left the screen when the last file is done.
_SCREEN = 20

Progress = Callable[[float], None]
State = TypeVar("State")


@dataclass(frozen=True)
class Job:
    """One input file and its output file.

    Attributes:
        path: input file.
        output: output file.
        seconds: length of the audio, for the progress bar; 0 if unknown.
        offset: place in an archive of features, in bytes; ``None``: the whole file.
    """

    path: Path
    output: Path
    seconds: float
    offset: int | None = None


@dataclass(frozen=True)
class Report:
    """Result of one job: one line of ``--json``.

    Attributes:
        path: input file.
        output: output file.
        seconds: length of the audio.
        rtf: real-time factor, computing time over length.
    """

    path: str
    output: str
    seconds: float
    rtf: float


@dataclass
class Work(Generic[State]):
    """What is done with each file.

    Attributes:
        title: name of the work on the progress bar.
        run: does one job with the state; it also takes a function, to be called with the finished fraction.
        open: makes the state, such as a model, in each process. Both are functions that can be pickled.
        state: the state of this process, if it exists already.
    """

    title: str
    run: Callable[[Job, State, Progress], Report]
    open: Callable[[], State]
    state: State | None = None

    def attempt(self, job: Job, progress: Progress) -> tuple[str, Report | None]:
        """Do one job; return an error message, or the report.

        Raises:
            DiskError: if nothing more can be written.
        """
        from vocoders.core.errors import DiskError, OndesError

        try:
            if self.state is None:
                self.state = self.open()
            return "", self.run(job, self.state, progress)
        except DiskError:
            raise
        except OndesError as error:
            known = str(error)
            return known if str(job.path) in known else f"{job.path}: {known}", None
        except Exception as error:  # one file must not stop the others
            _logger.debug("%s", job.path, exc_info=True)
            reason = (str(error).strip() or "no message").splitlines()[0]
            return f"{job.path}: {type(error).__name__}: {reason} (-v shows where)", None


def run_jobs(jobs: Sequence[Job], work: Work[Any], json_lines: bool = False, nj: int = 1) -> None:
    """Run all jobs, show the progress, and report each job.

    Args:
        jobs: input and output files.
        work: what is done with each.
        json_lines: print one JSON line for each file.
        nj: number of processes.

    Raises:
        Exit: with code 1 if some files failed, after all of them were tried.
        DiskError: at once, if nothing more can be written.
    """
    from recipes.cli.interruption import prompt_interruption
    from recipes.progress import gauge
    from vocoders.core.errors import DiskError

    total = sum(job.seconds for job in jobs)
    shown = len(jobs) > 1 or total > _LONG_SECONDS
    level = logging.DEBUG if shown and sys.stderr.isatty() else logging.INFO
    failures: list[str] = []
    done, finished = 0, 0.0
    try:
        with prompt_interruption(), gauge(work.title, total, "x real time", shown) as advance:
            for job, (problem, report) in _results(jobs, work, advance, nj):
                finished += job.seconds
                advance(finished)
                done += 1
                if report is None:
                    failures.append(problem)
                    typer.echo(f"error: {problem}", err=True)
                else:
                    _logger.log(level, "%s -> %s: %.2f s, RTF %.3f", job.path, job.output, report.seconds, report.rtf)
                if json_lines:
                    line = asdict(report) if report else {"path": str(job.path), "error": problem}
                    typer.echo(json.dumps(line, ensure_ascii=False))
    except (KeyboardInterrupt, DiskError) as error:
        why = "interrupted; " if isinstance(error, KeyboardInterrupt) else ""
        typer.echo(f"{why}{done - len(failures)} of {len(jobs)} files are finished", err=True)
        raise
    _tell(failures, len(jobs))


def _tell(failures: Sequence[str], count: int) -> None:
    """End with code 1 if there are failures, and tell again those that have left the screen."""
    if failures:
        again = "".join(f"\n  {problem}" for problem in failures) if count > _SCREEN else ""
        typer.echo(f"{len(failures)} of {count} files failed{':' if again else ''}{again}", err=True)
        raise typer.Exit(1)


def share_of(advance: Progress, before: float, amount: float) -> Progress:
    """Return a function that reports a fraction of ``amount`` after ``before``."""
    return lambda fraction: advance(before + fraction * amount)


def _results(
    jobs: Sequence[Job], work: Work[Any], advance: Progress, nj: int
) -> Iterator[tuple[Job, tuple[str, Report | None]]]:
    """Yield the jobs in their order, each with an error message or its report."""
    if nj > 1 and len(jobs) > 1:
        from recipes.data.parallel import run_parallel

        # Short files are handed out several at a time.
        size = max(1, min(8, len(jobs) // (16 * nj)))
        remote = _Remote(Work(work.title, work.run, work.open), logging.getLogger("recipes").level)
        yield from zip(jobs, run_parallel(remote, jobs, nj, work.title, size), strict=True)
        return
    before = 0.0
    for job in jobs:
        yield job, work.attempt(job, share_of(advance, before, job.seconds))
        before += job.seconds


@dataclass(frozen=True)
class _Remote:
    """Work in another process, which keeps its state from job to job."""

    work: Work[Any]
    log_level: int
    key: str = field(default_factory=lambda: os.urandom(8).hex())

    def __call__(self, job: Job) -> tuple[str, Report | None]:
        if self.key not in _opened:
            from recipes.cli.logs import show_logs

            show_logs({logging.DEBUG: 1, logging.WARNING: -1}.get(self.log_level, 0))
            _opened[self.key] = self.work
        return _opened[self.key].attempt(job, lambda fraction: None)


# Work of this worker process, by its key.
_opened: dict[str, Work[Any]] = {}
