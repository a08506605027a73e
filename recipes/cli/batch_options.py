"""Options of commands that process many files: which of them, and in how many processes."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from vocoders.core.errors import ConfigError

__all__ = ["BatchOptions", "ShardOption", "ShareOptions"]

_logger = logging.getLogger(__name__)

Item = TypeVar("Item")
_PANEL = "Many files"

ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N|slurm",
        help="Do part I of N, from 1; slurm: by the job's place in its array.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class ShareOptions:
    """The share of this command in the work.

    Raises:
        ConfigError: for a share that is none.
    """

    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out what is done already.", rich_help_panel=_PANEL)
    ] = False
    shard: ShardOption = None

    def __post_init__(self) -> None:
        self.place()

    def undone(
        self, items: Sequence[Item], outputs: Sequence[Path], sources: Sequence[Path] | None = None
    ) -> list[Item]:
        """Return the items of this share, every Nth one, that are not done.

        Args:
            items: everything that is to be done.
            outputs: file of each item. An item is done if this is whole.
            sources: file from which each is made; an output that is older is not done.
        """
        from recipes.cli.outputs import is_done

        first, count = self.place()
        share = range(first, len(items), count)
        left = [
            index
            for index in share
            if not (self.skip_existing and is_done(outputs[index], None if sources is None else sources[index]))
        ]
        if self.skip_existing:
            _logger.info("%d of %d files are done already", len(share) - len(left), len(share))
        return [items[index] for index in left]

    def place(self) -> tuple[int, int]:
        """Return number, from 0, and count of the shares."""
        if self.shard is None:
            return 0, 1
        if self.shard == "slurm":
            return _slurm_place()
        number, slash, count = self.shard.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise ConfigError(f"--shard {self.shard}: expected I/N with I from 1 to N, such as 1/4, or slurm")
        return int(number) - 1, int(count)


@dataclass(frozen=True)
class BatchOptions(ShareOptions):
    """The share of this command in the work, and its processes."""

    nj: Annotated[
        int,
        typer.Option("--nj", min=1, help="Number of processes, with one thread each.", rich_help_panel=_PANEL),
    ] = 1


def _slurm_place() -> tuple[int, int]:
    """Return number, from 0, and count: of the task in its array, else of the process in its step."""
    if "SLURM_ARRAY_TASK_COUNT" in os.environ:
        number, first, last = (_number(f"SLURM_ARRAY_TASK_{name}") for name in ("ID", "MIN", "MAX"))
        count = _number("SLURM_ARRAY_TASK_COUNT", least=1)
        step = _number("SLURM_ARRAY_TASK_STEP", least=1, default="1")
        place, rest = divmod(number - first, step)
        # What else tasks of an array may be called, say which of them this is, but not which share is its.
        if rest or last - first != (count - 1) * step or not 0 <= place < count:
            raise ConfigError(
                f"--shard slurm: {count} tasks from {first} to {last} are not evenly spaced; "
                "use an array such as 1-8, or give --shard I/N"
            )
        return place, count
    if "SLURM_PROCID" in os.environ and "SLURM_NTASKS" in os.environ:
        return _number("SLURM_PROCID"), _number("SLURM_NTASKS")
    raise ConfigError("--shard slurm: no SLURM_ARRAY_TASK_ID or SLURM_PROCID in the environment; give I/N")


def _number(name: str, least: int = 0, default: str = "") -> int:
    text = os.environ.get(name, default)
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(f"--shard slurm: {name} is '{text}'; expected a number from {least}")
    return int(text)
