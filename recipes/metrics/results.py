"""Write an evaluation: JSON with every value, CSV for spreadsheets, Markdown for RESULTS.md."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from recipes.metrics.evaluation import EvaluationResult, Problem, Summary
from recipes.metrics.metric import Metric
from recipes.metrics.published import PublishedFigures
from recipes.metrics.versions import package_versions
from vocoders.core.tables import format_table

__all__ = [
    "format_summary",
    "results_csv",
    "results_json",
    "results_markdown",
    "stored_table_markdown",
    "table_markdown",
    "timing_line",
]

_FORMAT = 1
_LISTED_PROBLEMS = 50


def results_json(result: EvaluationResult) -> str:
    """Return the whole result as JSON: definitions, means with intervals, every value, every problem, versions."""
    document = {
        "format": _FORMAT,
        **result.facts,
        "metrics": {metric.name: _describe(metric) for metric in result.metrics},
        "systems": {
            system: {metric.name: asdict(result.summary(system, metric.name)) for metric in result.metrics}
            for system in result.systems
        },
        "files": [
            {
                "system": score.system,
                "utt_id": score.utt_id,
                "duration": round(score.duration, 6),
                "cropped": round(score.cropped, 6),
                "values": score.values,
            }
            for score in result.scores
        ],
        "problems": [asdict(problem) for problem in result.problems],
        "not_run": dict(result.not_run),
        "seconds_per_minute": {name: round(value, 4) for name, value in result.seconds_per_minute().items()},
        "audio_minutes": round(result.audio_minutes, 6),
        "wall_seconds": round(result.wall_seconds, 3),
        "confidence": result.confidence,
        "seed": result.seed,
        "versions": package_versions(),
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def results_csv(result: EvaluationResult) -> str:
    """Return one line per pair: system, utterance, duration in seconds, one column per metric (empty: no value)."""
    names = [metric.name for metric in result.metrics]
    rows = []
    for score in result.scores:
        values = [f"{score.values[name]:.6g}" if name in score.values else "" for name in names]
        rows.append([score.system, score.utt_id, f"{score.duration:.3f}", *values])
    return format_table(["system", "utt_id", "duration", *names], rows)


def table_markdown(result: EvaluationResult) -> str:
    """Return the table of means with intervals, one row per system."""
    rows = [["system", "n", *(metric.heading for metric in result.metrics)]]
    for system in result.systems:
        count = sum(score.system == system for score in result.scores)
        rows.append([_cell(system), str(count), *(format_summary(result, system, m) for m in result.metrics)])
    return _lines(rows)


def stored_table_markdown(document: Mapping[str, Any]) -> str:
    """Return the table of :func:`table_markdown` from the JSON of :func:`results_json`."""
    metrics = document["metrics"]
    rows = [["system", "n", *(metric.get("heading", metric["title"]) for metric in metrics.values())]]
    for system, found in document["systems"].items():
        count = sum(file["system"] == system for file in document["files"])
        cells = []
        for name, metric in metrics.items():
            mean, low, high, n = (found[name][key] for key in ("mean", "low", "high", "n"))
            cells.append(_format(Summary(mean, low, high, n, count - n), metric.get("decimals", 3)))
        rows.append([_cell(system), str(count), *cells])
    return _lines(rows)


def results_markdown(
    result: EvaluationResult,
    title: str = "Results",
    notes: Sequence[str] = (),
    published: PublishedFigures | None = None,
) -> str:
    """Return a RESULTS.md: the table, the definition of each number, and all problems.

    Args:
        result: the evaluation.
        title: heading of the page.
        notes: lines of Markdown about model, data and command, placed above the table.
        published: figures of a paper, placed at the end.
    """
    utterances = {score.utt_id: score.duration for score in result.scores}
    versions = ", ".join(f"{package} {version}" for package, version in package_versions().items())
    lines = [f"# {title}", "", *(f"- {note}" for note in notes)]
    lines += [
        f"- {len(utterances)} utterances, {sum(utterances.values()) / 60:.1f} minutes",
        f"- mean [{100 * result.confidence:g} % bootstrap confidence interval of the mean]; ↑ higher is better, "
        "↓ lower is better, →0 nearer to zero is better; utterances without a value are left out of both and counted",
        "",
        table_markdown(result),
        "## Definitions",
        "",
        *(f"- **{metric.title}**: {metric.definition}{_identity(metric)}" for metric in result.metrics),
        *(f"- not run: {reason}" for reason in dict.fromkeys(result.not_run.values())),
        f"- versions: {versions}",
        "",
    ]
    if result.problems:
        shown = result.problems[:_LISTED_PROBLEMS]
        lines += [f"## Problems ({len(result.problems)})", "", *map(_problem_line, shown)]
        if len(shown) < len(result.problems):
            lines.append(f"- ... and {len(result.problems) - len(shown)} more; the JSON file lists them all")
        lines.append("")
    if published is not None:
        lines.append(published.section(result))
    return "\n".join(lines)


def format_summary(result: EvaluationResult, system: str, metric: Metric) -> str:
    """Return ``mean [low, high]`` of one cell, and how many utterances without a value it leaves out."""
    return _format(result.summary(system, metric.name), metric.decimals)


def _format(summary: Summary, decimals: int) -> str:
    left_out = f" {summary.left_out} left out (n={summary.n})" if summary.left_out else ""
    if summary.mean is None:
        return f"undefined{left_out}"
    limits = [f"{limit:.{decimals}f}" for limit in summary.interval or ()]
    return f"{summary.mean:.{decimals}f}" + (f" [{', '.join(limits)}]" if limits else "") + left_out


def _lines(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose first row is the heading."""
    marked = [rows[0], ["---"] + ["---:"] * (len(rows[0]) - 1), *rows[1:]]
    return "".join(f"| {' | '.join(row)} |\n" for row in marked)


def timing_line(result: EvaluationResult) -> str:
    """Return how long the evaluation took for a minute of audio, as a whole and for each metric, slowest first."""
    if not result.scores:
        return "no audio was measured"
    costs = sorted(result.seconds_per_minute().items(), key=lambda item: -item[1])
    each = ", ".join(f"{name} {seconds:.2g}" for name, seconds in costs if seconds >= 0.005)
    return (
        f"{result.audio_minutes:.2f} minutes of audio in {result.wall_seconds:.1f} s, "
        f"{result.wall_seconds / result.audio_minutes:.1f} s per minute; seconds per minute on one core: {each or '0'}"
    )


def _describe(metric: Metric) -> dict[str, Any]:
    return {
        "title": metric.title,
        "heading": metric.heading,
        "unit": metric.unit,
        "decimals": metric.decimals,
        "direction": metric.direction.value,
        "identity": metric.identity,
        "sample_rate": metric.sample_rate,
        "needs_reference": metric.needs_reference,
        "definition": metric.definition,
    }


def _identity(metric: Metric) -> str:
    if metric.identity is None:
        return " (needs no reference)" if not metric.needs_reference else ""
    return f" (a signal against itself: {metric.identity:.{metric.decimals}f})"


def _problem_line(problem: Problem) -> str:
    where = f"{problem.utt_id}, {problem.metric}" if problem.metric else problem.utt_id
    return f"- {problem.kind}: {_cell(problem.system)} ({where}): {problem.message}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
