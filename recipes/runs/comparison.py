"""Runs beside each other: a table of results and of different settings, and a page with their curves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.runs.history import RunHistory, read_run
from recipes.runs.page import curve_section, page_of, table

__all__ = ["Comparison", "compare_runs"]

# Settings that say where things are, and not what is trained.
_PLACES = ("data.train", "data.valid", "data.feature_dir", "data.num_workers", "trainer.num_threads")


@dataclass(frozen=True)
class Comparison:
    """Runs by name; tables with a column for each run."""

    runs: dict[str, RunHistory]

    @property
    def results(self) -> list[list[str]]:
        """Rows of last values: steps, speed, best values, validation, metrics, losses."""
        runs = self.runs.values()
        rows = [["steps", *(f"{run.last_step:,}" for run in runs)]]
        rows.append(["steps per second (median)", *(_number(run.speed) for run in runs)])
        names = list(dict.fromkeys(name for run in runs for name in run.curves))
        for prefix in ("best/", "valid/", "metric/", "loss/"):
            for name in (name for name in names if name.startswith(prefix)):
                rows.append([name, *(_last(run, name) for run in runs)])
        return rows

    @property
    def differences(self) -> list[list[str]]:
        """Rows of settings that differ between the runs."""
        runs = self.runs.values()
        keys = dict.fromkeys(key for run in runs for key in run.settings if key not in _PLACES)
        rows = [[key, *(str(run.settings.get(key, "—")) for run in runs)] for key in keys]
        return [row for row in rows if len(set(row[1:])) > 1]

    def text(self) -> str:
        """Return both tables as Markdown."""
        parts = [_markdown(["", *self.runs], self.results)]
        if self.differences:
            parts.append(_markdown(["setting", *self.runs], self.differences))
        return "\n".join(parts)

    def page(self) -> str:
        """Return a page with the tables and the curves of all runs."""
        sections = [table(["", *self.runs], self.results)]
        if self.differences:
            sections.append("<h2>Different settings</h2>" + table(["setting", *self.runs], self.differences))
        return page_of("Runs", [*sections, curve_section(self.runs)])


def compare_runs(folders: Sequence[str | Path]) -> Comparison:
    """Read runs, named by their folder, or by its path where names are equal.

    Raises:
        DataError: if a folder is none of a run.
    """
    found = [read_run(folder) for folder in dict.fromkeys(map(Path, folders))]
    names = [run.name for run in found]
    return Comparison(
        {run.name if names.count(run.name) == 1 else str(run.folder): run for run in found},
    )


def _last(run: RunHistory, name: str) -> str:
    """Return the last value; of a loss of training the mean of the last tenth, which is steadier."""
    if name not in run.curves:
        return "—"
    values = run.curves[name][1]
    if name.startswith("loss/"):
        return _number(float(np.mean(values[-max(1, len(values) // 10) :])))
    return _number(float(values[-1]))


def _number(value: float | None) -> str:
    return "—" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
