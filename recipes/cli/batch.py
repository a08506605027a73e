"""Process many files in sequence; a failed file does not stop the others."""

import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

__all__ = ["Job", "Report", "run_jobs", "share_of"]

_logger = logging.getLogger(__name__)

# A single file with less audio than this is done before a progress bar is of use.
_LONG_SECONDS = 30.0

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Job:
    """One input file and its output file.

    Attributes:
        path: input file.
        output: output file.
        seconds: length of the audio, for the progress bar; 0 if unknown.
    """

    path: Path
    output: Path
    seconds: float


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


def run_jobs(jobs: Sequence[Job], work: Callable[[Job, Progress], Report], title: str, json_lines: bool) -> None:
    """Run all jobs, show the progress, and report each job.

    Args:
        jobs: input and output files.
        work: function that runs one job. It also takes a function, to be called with the finished fraction.
        title: name of the work on the progress bar.
        json_lines: print one JSON line for each file.

    Raises:
        Exit: with code 1 if some files failed, after all of them were tried.
    """
    from recipes.cli.interruption import prompt_interruption
    from recipes.progress import gauge

    total = sum(job.seconds for job in jobs)
    shown = len(jobs) > 1 or total > _LONG_SECONDS
    level = logging.DEBUG if shown and sys.stderr.isatty() else logging.INFO
    failed = done = 0
    finished = 0.0
    try:
        with prompt_interruption(), gauge(title, total, "x real time", shown) as advance:
            for job in jobs:
                problem, report = _try(job, work, share_of(advance, finished, job.seconds))
                finished += job.seconds
                advance(finished)
                done += 1
                if report is None:
                    failed += 1
                    typer.echo(f"error: {problem}", err=True)
                else:
                    _logger.log(level, "%s -> %s: %.2f s, RTF %.3f", job.path, job.output, report.seconds, report.rtf)
                if json_lines:
                    line = asdict(report) if report else {"path": str(job.path), "error": problem}
                    typer.echo(json.dumps(line, ensure_ascii=False))
    except KeyboardInterrupt:
        typer.echo(f"interrupted; {done - failed} of {len(jobs)} files are finished", err=True)
        raise
    if failed:
        typer.echo(f"{failed} of {len(jobs)} files failed", err=True)
        raise typer.Exit(1)


def share_of(advance: Progress, before: float, amount: float) -> Progress:
    """Return a function that reports a fraction of ``amount`` after ``before``."""
    return lambda fraction: advance(before + fraction * amount)


def _try(job: Job, work: Callable[[Job, Progress], Report], progress: Progress) -> tuple[str, Report | None]:
    """Run one job; return an error message, or the report."""
    from vocoders.core.errors import OndesError

    try:
        return "", work(job, progress)
    except OndesError as error:
        known = str(error)
        return known if str(job.path) in known else f"{job.path}: {known}", None
    except Exception as error:  # one file must not stop the others
        _logger.debug("%s", job.path, exc_info=True)
        reason = (str(error).strip() or "no message").splitlines()[0]
        return f"{job.path}: {type(error).__name__}: {reason} (-v shows where)", None
