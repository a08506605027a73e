"""Outputs of an evaluation: the screen, and the files that the user requests."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.printing import say
from vocoders.core.errors import ConfigError

if TYPE_CHECKING:
    from recipes.metrics.evaluation import EvaluationResult
    from recipes.metrics.published import PublishedFigures

__all__ = ["Outputs", "SeedOption"]

_logger = logging.getLogger(__name__)
_PANEL = "Files to write"

SeedOption = Annotated[
    int, typer.Option("--seed", help="Seed of confidence intervals and of all other random numbers.")
]


@dataclass(frozen=True)
class Outputs:
    """Files for the result of an evaluation.

    Raises:
        ConfigError: if one of them cannot be written; this is checked before the run.
    """

    out: Annotated[Path | None, typer.Option("--out", help="JSON file with every value.", rich_help_panel=_PANEL)] = (
        None
    )
    csv: Annotated[
        Path | None, typer.Option("--csv", help="CSV file with one line per file.", rich_help_panel=_PANEL)
    ] = None
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Markdown page (RESULTS.md).", rich_help_panel=_PANEL)
    ] = None
    published: Annotated[
        Path | None,
        typer.Option(
            "--published",
            help="YAML file with figures of a paper, to stand below the results on the page.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    report: Annotated[
        Path | None,
        typer.Option("--report", help="HTML page with plots; for audio also with sound.", rich_help_panel=_PANEL),
    ] = None
    title: Annotated[str, typer.Option("--title", help="Heading of the pages.", rich_help_panel=_PANEL)] = "Results"
    note: Annotated[
        list[str] | None,
        typer.Option("--note", help="Line to add to the pages; repeat for more.", rich_help_panel=_PANEL),
    ] = None

    def __post_init__(self) -> None:
        taken: dict[Path, str] = {}
        for option, given in self._files.items():
            if given.is_dir():
                raise ConfigError(f"{given} is a folder; {option} expects the name of a file to write")
            path = given.resolve()
            other = taken.setdefault(path, option)
            if other != option:
                raise ConfigError(f"{given} is to hold two results; give {other} and {option} different names")
            standing = next(parent for parent in path.parents if parent.exists())
            if not standing.is_dir() or not os.access(standing, os.W_OK | os.X_OK):
                raise ConfigError(f"{option} {given}: cannot write to {standing}; choose another place")
        if self.published is not None and self.markdown is None:
            raise ConfigError("--published adds to a page; give --markdown, the page")
        self._published_figures()  # read once before the run, so that a mistake shows early

    @property
    def _files(self) -> dict[str, Path]:
        files = {"--out": self.out, "--csv": self.csv, "--markdown": self.markdown, "--report": self.report}
        return {option: path for option, path in files.items() if path is not None}

    def _published_figures(self) -> "PublishedFigures | None":
        from recipes.metrics.published import PublishedFigures

        return None if self.published is None else PublishedFigures.from_yaml(self.published)

    def present(self, result: "EvaluationResult", facts: Sequence[str] = (), num_files: int = 0) -> None:
        """Show a result and write its files.

        Args:
            result: the result.
            facts: lines about the result, for the screen and, above the user's notes, for the pages.
            num_files: utterances with sound on the HTML page.

        Raises:
            typer.Exit: with code 1 if something has failed.
        """
        from recipes.cli.evaluate.table import show_problems, show_table
        from recipes.metrics.report import results_html
        from recipes.metrics.results import results_csv, results_json, results_markdown, timing_line

        # The table comes first: the numbers must not be lost if the disk is full.
        show_table(result)
        for fact in facts:
            say(fact)
        for reason in dict.fromkeys(result.not_run.values()):
            say(f"not run: {reason}", err=True)
        show_problems(result.problems)
        _logger.info("%s", timing_line(result))
        notes = (*facts, *(self.note or ()))
        texts = {
            "--out": lambda: results_json(result),
            "--csv": lambda: results_csv(result),
            "--markdown": lambda: results_markdown(result, self.title, notes, self._published_figures()),
            "--report": lambda: results_html(result, self.title, notes, num_files),
        }
        for option, path in self._files.items():
            _write(path, texts[option]())
        if self.report is not None:
            _logger.info("report: %s (%.1f MB)", self.report, self.report.stat().st_size / 1e6)
        if result.failures:
            raise typer.Exit(1)


def _write(path: Path, text: str) -> None:
    from vocoders.core.atomic import atomic_file

    with atomic_file(path) as temporary:
        # Names of files may be no text.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
