"""`ondes evaluate`: measure systems against references, one row per system."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from recipes.metrics.evaluation import EvaluationResult, Problem, Summary

__all__ = ["register"]

_LISTED_PROBLEMS = 20
_LISTED_MISSING = 3


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("evaluate")(_evaluate)


def _evaluate(
    ref: Annotated[
        Path, typer.Option("--ref", help="References: a folder, data directory or wav.scp.", show_default=False)
    ],
    gen: Annotated[
        list[str],
        typer.Option("--gen", metavar="[NAME=]DIR", help="A system's files; repeat for more.", show_default=False),
    ],
    metrics: Annotated[
        str | None, typer.Option("--metrics", help="Names separated by commas, or all.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file with every value.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="CSV file with one line per pair.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Markdown page (RESULTS.md).")] = None,
    title: Annotated[str, typer.Option("--title", help="Heading of the Markdown page.")] = "Results",
    note: Annotated[
        list[str] | None, typer.Option("--note", help="Line for the Markdown page; repeat for more.")
    ] = None,
    natural: Annotated[bool, typer.Option("--natural", help="Add a row: references against themselves.")] = False,
    resample: Annotated[bool, typer.Option("--resample", help="Convert generated files of another rate.")] = False,
    nj: Annotated[int, typer.Option("--nj", min=1, help="Number of processes.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the confidence intervals.")] = 0,
) -> None:
    """Measure generated audio against references of the same file names; one row per system.

    Known metrics: pesq, mstft, mel_l1, log_spectral_distance, mcd, mcd_c0, mcd_dtw, mcd_c0_dtw, log_f0_rmse,
    vuv_error, periodicity, vuv_f1, pitch_cents, stoi, estoi, dnsmos_p808, dnsmos_sig, dnsmos_bak, dnsmos_ovrl,
    level_difference, high_frequency_difference, ltas, ltas_high, line_6k, si_sdr, esr, mae, dlufs, dc_offset,
    clipped_share.
    """
    from recipes.metrics.evaluation import Alignment, evaluate_systems
    from recipes.metrics.registry import DEFAULT_METRICS, create_metrics
    from recipes.metrics.results import results_csv, results_json, results_markdown

    chosen = create_metrics(metrics.replace(",", " ").split() if metrics is not None else DEFAULT_METRICS)
    _check_outputs(out, csv, markdown)
    result = evaluate_systems(ref, _name_systems(gen), chosen, nj, Alignment(resample=resample), seed, natural)
    # The table comes first: a disk that is full must not take the numbers with it.
    _show_table(result)
    _show_problems(result.problems)
    if out is not None:
        _write(out, results_json(result))
    if csv is not None:
        _write(csv, results_csv(result))
    if markdown is not None:
        _write(markdown, results_markdown(result, title, note or ()))
    if result.failures:
        raise typer.Exit(1)


def _check_outputs(*paths: Path | None) -> None:
    """Find out before a long run, and not after it, that a file cannot be written."""
    from vocoders.core.errors import ConfigError

    wanted = [path.resolve() for path in paths if path is not None]
    for path in wanted:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder; expected the name of a file to write")
        if wanted.count(path) > 1:
            raise ConfigError(f"{path} is to hold two results; give --out, --csv and --markdown different names")


def _write(path: Path, text: str) -> None:
    from vocoders.core.atomic import atomic_file

    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _name_systems(sources: list[str]) -> dict[str, Path]:
    """Name each system by what stands before ``=``, else by as many parts of its path as tell it from the others."""
    from vocoders.core.errors import ConfigError

    given, unnamed = {}, []
    for source in sources:
        name, separator, location = source.partition("=")
        if separator and name and not Path(source).exists():
            if name in given:
                raise ConfigError(f"--gen: two systems are called '{name}'; give them different names")
            given[name] = Path(location)
        else:
            unnamed.append(Path(source))
    if len({path.resolve() for path in unnamed}) < len(unnamed):
        raise ConfigError("--gen: one folder stands twice; give each system once")
    parts = [path.resolve().parts for path in unnamed]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names) and not given.keys() & set(names):
            break
    by_path = dict(zip(unnamed, names, strict=True)) if unnamed else {}
    named = {}
    # Rows keep the order of the command line.
    for source in sources:
        name = by_path.get(Path(source)) or source.partition("=")[0]
        if name in named:
            raise ConfigError(f"--gen: two systems are called '{name}'; name them with NAME=DIR")
        named[name] = given.get(name) or Path(source)
    return named


def _show_table(result: "EvaluationResult") -> None:
    """Print a table: drawn on a terminal, Markdown in a log or a pipe."""
    from recipes.metrics.results import table_markdown

    if not sys.stdout.isatty():
        typer.echo(table_markdown(result), nl=False)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("system", "n", caption="mean ± half of the 95 % interval; ↑ ↓ →0: which way is better")
    for metric in result.metrics:
        table.add_column(metric.heading, justify="right")
    for system in result.systems:
        cells = [_terminal_cell(result.summary(system, metric.name), metric.decimals) for metric in result.metrics]
        table.add_row(system, str(sum(score.system == system for score in result.scores)), *cells)
    Console().print(table)


def _terminal_cell(summary: "Summary", decimals: int) -> str:
    if summary.n == 0:
        return "–"
    half = (summary.high - summary.low) / 2
    return f"{summary.mean:.{decimals}f}" + (f"\n[dim]±{half:.{decimals}f}[/dim]" if summary.n > 1 else "")


def _show_problems(problems: "tuple[Problem, ...]") -> None:
    # What is broken comes first: the list on the screen may be cut. Files without partner are one line for each cause.
    missing = Counter((p.system, p.message) for p in problems if p.kind == "missing")
    lone = {key for key, count in missing.items() if count <= _LISTED_MISSING}
    ordered = [p for p in problems if p.kind != "missing" or (p.system, p.message) in lone]
    ordered.sort(key=lambda problem: problem.kind != "failed")
    for (system, message), count in missing.items():
        if (system, message) not in lone:
            typer.echo(f"missing: {system}: {message} for {count} utterances; --out lists them", err=True)
    for problem in ordered[:_LISTED_PROBLEMS]:
        where = f"{problem.system} {problem.utt_id}" + (f" {problem.metric}" if problem.metric else "")
        typer.echo(f"{problem.kind}: {where}: {problem.message}", err=True)
    if len(ordered) > _LISTED_PROBLEMS:
        typer.echo(f"... and {len(ordered) - _LISTED_PROBLEMS} more; --out lists them all", err=True)
