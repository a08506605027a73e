"""An evaluation on the screen: its table and its problems."""

import sys
from collections import Counter
from typing import TYPE_CHECKING

from recipes.cli.printing import cell, say, say_text

if TYPE_CHECKING:
    from recipes.metrics.evaluation import EvaluationResult, Problem, Summary

__all__ = ["show_problems", "show_table"]

_LISTED_PROBLEMS = 20
_LISTED_MISSING = 3


def show_table(result: "EvaluationResult") -> None:
    """Print a table: drawn on a terminal, Markdown in a log or a pipe."""
    from recipes.metrics.results import table_markdown

    if not sys.stdout.isatty():
        say_text(table_markdown(result))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("system", "n", caption="mean ± half of the 95 % interval; ↑ ↓ →0: which way is better")
    for metric in result.metrics:
        table.add_column(metric.heading, justify="right")
    for system in result.systems:
        cells = [_terminal_cell(result.summary(system, metric.name), metric.decimals) for metric in result.metrics]
        table.add_row(cell(system), str(sum(score.system == system for score in result.scores)), *cells)
    Console().print(table)


def _terminal_cell(summary: "Summary", decimals: int) -> str:
    lines = ["undefined" if summary.mean is None else f"{summary.mean:.{decimals}f}"]
    if summary.interval is not None:
        lines.append(f"[dim]±{(summary.interval[1] - summary.interval[0]) / 2:.{decimals}f}[/dim]")
    if summary.left_out:
        lines.append(f"[dim]{summary.left_out} left out[/dim]")
    return "\n".join(lines)


def show_problems(problems: "tuple[Problem, ...]") -> None:
    """Print failed, undefined, cropped and missing values; many files without a partner share one line."""
    # Failures come first: the list on the screen may be cut. Files without a partner share one line per cause.
    missing = Counter((p.system, p.message) for p in problems if p.kind == "missing")
    lone = {key for key, count in missing.items() if count <= _LISTED_MISSING}
    ordered = [p for p in problems if p.kind != "missing" or (p.system, p.message) in lone]
    ordered.sort(key=lambda problem: problem.kind != "failed")
    for (system, message), count in missing.items():
        if (system, message) not in lone:
            say(f"missing: {system}: {message} for {count} utterances; --out lists them", err=True)
    for problem in ordered[:_LISTED_PROBLEMS]:
        where = f"{problem.system} {problem.utt_id}" + (f" {problem.metric}" if problem.metric else "")
        say(f"{problem.kind}: {where}: {problem.message}", err=True)
    if len(ordered) > _LISTED_PROBLEMS:
        say(f"... and {len(ordered) - _LISTED_PROBLEMS} more; --out lists them all", err=True)
