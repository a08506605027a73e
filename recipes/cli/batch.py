"""Process many files, in this process or in several; a failed file does not stop the others."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import typer

from recipes.cli.printing import say, say_json

if TYPE_CHECKING:
    from recipes.cli.batch_options import ShareOptions
    from recipes.cli.inputs import Input

__all__ = ["Job", "Outcome", "Progress", "Report", "Work", "attempt", "audio_jobs", "collect", "run_jobs"]

_logger = logging.getLogger(__name__)

# A single file with less audio than this is done before a progress bar is of use.
_LONG_SECONDS = 30.0
# With more files, the first errors have left the screen when the last file is done.
_SCREEN = 20

Progress = Callable[[float], None]


class _AnyJob(Protocol):
    """What a process does at once: one file, or several that are made together."""

    @property
    def seconds(self) -> float:
        """Length of the audio, for the progress bar; 0 if unknown."""
        ...

    @property
    def names(self) -> Sequence[Path]:
        """Its files, as messages name them."""
        ...

    @property
    def output(self) -> Path:
        """A file that it writes."""
        ...


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

    @property
    def names(self) -> Sequence[Path]:
        """The input file."""
        return (self.path,)


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

    @property
    def line(self) -> str:
        """A line for the log."""
        return f"{self.path} -> {self.output}: {self.seconds:.2f} s, RTF {self.rtf:.3f}"


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        name: the file, as messages name it.
        problem: why it failed; empty if it did not.
        result: what was made, such as a :class:`Report`; ``None`` after a failure.
    """

    name: Path
    problem: str
    result: Any


JobType = TypeVar("JobType", bound=_AnyJob)
State = TypeVar("State")


@dataclass
class Work(Generic[JobType, State]):
    """What is done with each job.

    Attributes:
        title: name of the work on the progress bar.
        run: does one job with the state; it also takes a function, to be called with the finished fraction.
        open: makes the state, such as a model, in each process. Both are functions that can be pickled.
        state: the state of this process, if it exists already.
        is_slow: show the progress of short audio too.
    """

    title: str
    run: Callable[[JobType, State, Progress], Any]
    open: Callable[[], State]
    state: State | None = None
    is_slow: bool = False

    def outcomes(self, job: JobType, progress: Progress) -> list[Outcome]:
        """Do one job; return the outcome of each of its files.

        Raises:
            DiskError: if nothing more can be written.
        """
        return attempt(job.names, lambda: [self.run(job, self.opened(), progress)])

    def opened(self) -> State:
        """Return the state."""
        if self.state is None:
            self.state = self.open()
        return self.state


def audio_jobs(items: "Sequence[Input]", outputs: Sequence[Path], many: "ShareOptions") -> list[Job]:
    """Return the jobs of this command that are not done: audio files, and the output of each."""
    pairs = list(zip(items, outputs, strict=True))
    left = many.undone(pairs, outputs, [item.path for item in items])
    return [Job(item.path, path, _audio_seconds(item.path)) for item, path in left]


def _audio_seconds(path: Path) -> float:
    from vocoders.core.audio import audio_info
    from vocoders.core.errors import DataError

    try:
        return audio_info(path).duration
    except DataError:  # reported when its turn comes: the other files can be done
        return 0.0


def attempt(names: Sequence[Path], do: Callable[[], Sequence[Any]]) -> list[Outcome]:
    """Call a function that returns a result for each file; its error is that of all of them.

    Raises:
        DiskError: if nothing more can be written.
    """
    from vocoders.core.errors import DiskError, OndesError

    try:
        return [Outcome(name, "", result) for name, result in zip(names, do(), strict=True)]
    except DiskError:
        raise
    except OndesError as error:
        return _failed(names, str(error))
    except Exception as error:  # one file must not stop the others
        _logger.debug("%s", names[0], exc_info=True)
        reason = (str(error).strip() or "no message").splitlines()[0]
        return _failed(names, f"{type(error).__name__}: {reason} (-v shows where)")


def _failed(names: Sequence[Path], problem: str) -> list[Outcome]:
    return [Outcome(name, problem if str(name) in problem else f"{name}: {problem}", None) for name in names]


def run_jobs(jobs: Sequence[JobType], work: Work[JobType, Any], json_lines: bool = False, nj: int = 1) -> None:
    """Run all jobs, show the progress, and report each file.

    Args:
        jobs: input and output files.
        work: what is done with each.
        json_lines: print one JSON line for each file.
        nj: number of processes.

    Raises:
        Exit: with code 1 if some files failed, after all of them were tried.
        DiskError: at once, if nothing more can be written.
        WorkersDiedError: if processes die whatever they work on.
    """
    level = logging.DEBUG if _is_shown(jobs, work) and sys.stderr.isatty() else logging.INFO
    for outcome in _told(jobs, work, nj):
        report = outcome.result
        if report is not None:
            _logger.log(level, "%s", report.line)
        if json_lines:
            line = asdict(report) if report is not None else {"path": str(outcome.name), "error": outcome.problem}
            say_json(line)


def collect(jobs: Sequence[JobType], work: Work[JobType, Any], nj: int = 1) -> list[Any]:
    """Do what :func:`run_jobs` does, and return the results instead of reporting them."""
    return [outcome.result for outcome in _told(jobs, work, nj)]


def _is_shown(jobs: Sequence[_AnyJob], work: Work[Any, Any]) -> bool:
    return work.is_slow or len(jobs) > 1 or sum(job.seconds for job in jobs) > _LONG_SECONDS


def _told(jobs: Sequence[JobType], work: Work[JobType, Any], nj: int) -> Iterator[Outcome]:
    """Yield the outcome of each file; tell progress and failures, and end with code 1 if there are any."""
    from recipes.progress import gauge
    from vocoders.core.errors import DiskError, WorkersDiedError

    total, count = sum(job.seconds for job in jobs), sum(len(job.names) for job in jobs)
    failures: list[str] = []
    done = 0
    try:
        with gauge(work.title, total, "x real time", _is_shown(jobs, work)) as advance:
            for outcome in _outcomes(jobs, work, advance, nj):
                done += 1
                if outcome.problem:
                    failures.append(outcome.problem)
                    say(f"error: {outcome.problem}", err=True)
                yield outcome
    except (KeyboardInterrupt, DiskError, WorkersDiedError) as error:
        why = "interrupted; " if isinstance(error, KeyboardInterrupt) else ""
        say(f"{why}{done - len(failures)} of {count} files are finished", err=True)
        raise
    _tell(failures, count)


def _tell(failures: Sequence[str], count: int) -> None:
    """End with code 1 if there are failures, and tell again those that have left the screen."""
    if failures:
        again = [f"  {problem}" for problem in failures] if count > _SCREEN else []
        say(f"{len(failures)} of {count} files failed{':' if again else ''}", *again, err=True)
        raise typer.Exit(1)


def _share_of(advance: Progress, before: float, amount: float) -> Progress:
    """Return a function that reports a fraction of ``amount`` after ``before``."""
    return lambda fraction: advance(before + fraction * amount)


def _outcomes(jobs: Sequence[JobType], work: Work[JobType, Any], advance: Progress, nj: int) -> Iterator[Outcome]:
    """Yield the outcome of each file in order."""
    remote = _remote_outcomes(jobs, work, nj) if nj > 1 and len(jobs) > 1 else None
    before = 0.0
    for job in jobs:
        found = next(remote) if remote else work.outcomes(job, _share_of(advance, before, job.seconds))
        before += job.seconds
        advance(before)
        yield from found


def _remote_outcomes(jobs: Sequence[JobType], work: Work[JobType, Any], nj: int) -> Iterator[list[Outcome]]:
    """Yield the outcomes of each job, which several processes do."""
    from recipes.data.parallel import DIED, run_parallel

    # Short files are handed out several at a time.
    size = max(1, min(8, len(jobs) // (16 * nj)))
    remote = _Remote(replace(work, state=None), logging.getLogger("recipes").level)
    folders = list({job.output.parent for job in jobs})
    return run_parallel(remote, jobs, nj, work.title, size, lambda job: _failed(job.names, DIED), folders)


@dataclass(frozen=True)
class _Remote:
    """Work in another process, which keeps its state from job to job."""

    work: Work[Any, Any]
    log_level: int
    key: str = field(default_factory=lambda: os.urandom(8).hex())

    def __call__(self, job: Any) -> list[Outcome]:
        if self.key not in _opened:
            from recipes.cli.logs import show_logs

            show_logs({logging.DEBUG: 1, logging.WARNING: -1}.get(self.log_level, 0))
            _opened[self.key] = self.work
        return _opened[self.key].outcomes(job, lambda fraction: None)


# Work of this worker process, by its key.
_opened: dict[str, Work[Any, Any]] = {}
