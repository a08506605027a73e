"""`ondes evaluate`: measure systems against references, one row per system."""

import logging
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recipes.cli.checkpoint_option import CheckpointOption
from recipes.cli.lists import ListKind, list_command

if TYPE_CHECKING:
    from recipes.metrics.evaluation import EvaluationResult, Problem, Summary

__all__ = ["register"]

_logger = logging.getLogger(__name__)

_LISTED_PROBLEMS = 20
_LISTED_MISSING = 3


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    lists = {"--gen": ListKind.REPEATED, "--metrics": ListKind.NAMES}
    app.command("evaluate", cls=list_command(lists))(_evaluate)


def _evaluate(
    ref: Annotated[
        Path | None, typer.Option("--ref", help="References: a folder, data directory or wav.scp.", show_default=False)
    ] = None,
    gen: Annotated[
        list[str] | None,
        typer.Option(
            "--gen", metavar="[NAME=]DIR", help="A system's files; give several for a row each.", show_default=False
        ),
    ] = None,
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
    report: Annotated[
        Path | None, typer.Option("--report", help="HTML page with sound, spectrograms and plots.")
    ] = None,
    report_files: Annotated[
        int, typer.Option("--report-files", min=0, help="Utterances to hear on that page; it grows with them.")
    ] = 8,
    dry: Annotated[
        Path | None, typer.Option("--dry", help="What went into the effect, for gain_trace and gain_ccc.")
    ] = None,
    natural: Annotated[bool, typer.Option("--natural", help="Add a row: references against themselves.")] = False,
    resample: Annotated[bool, typer.Option("--resample", help="Convert generated files of another rate.")] = False,
    max_difference: Annotated[
        float,
        typer.Option("--max-difference", min=0, metavar="SECONDS", help="Lengths that differ by more are an error."),
    ] = 1.0,
    nj: Annotated[int, typer.Option("--nj", min=1, help="Number of processes.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the confidence intervals.")] = 0,
    exp: Annotated[
        Path | None, typer.Option("--exp", help="Instead of --ref: bits per sample of a training run on --data.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Data directory, with --exp.")] = None,
    train: Annotated[
        Path | None, typer.Option("--train", help="With --exp: where simple models count codes; default: of the run.")
    ] = None,
    checkpoint: CheckpointOption = "last",
    device: Annotated[str, typer.Option("--device", help="With --exp: cpu, cuda, ... or auto.")] = "auto",
    effects: Annotated[
        list[str] | None,
        typer.Option(
            "--effect",
            metavar="[NAME=]MODEL",
            help="Instead of --ref: models of the effect --true.",
            show_default=False,
        ),
    ] = None,
    true: Annotated[str | None, typer.Option("--true", help="With --effect: the ground-truth effect.")] = None,
    pairs: Annotated[
        Path | None, typer.Option("--pairs", help="With --effect, instead of --true: data directory of recorded pairs.")
    ] = None,
    items: Annotated[int, typer.Option("--items", min=1, help="With --effect: renderings in each cell.")] = 24,
) -> None:
    """Measure generated audio against references of the same file names, a model's bits per sample, or effects.

    With --effect, models are compared with the true effect in four cells: dry
    audio of --train (seen) and of --data (unseen), at knob settings of the
    kind that was trained and of the kind that was held out.

    Known metrics: pesq, mstft, stft, mel_l1, log_spectral_distance, mcd, mcd_c0, mcd_dtw, mcd_c0_dtw, log_f0_rmse,
    vuv_error, periodicity, vuv_f1, pitch_cents, stoi, estoi, dnsmos_p808, dnsmos_sig, dnsmos_bak, dnsmos_ovrl, utmos,
    level_difference, high_frequency_difference, ltas, ltas_high, line_6k, si_sdr, esr, esr_emphasis, mae, dlufs,
    gain_trace, gain_trace_p95, gain_ccc, lag, polarity, dc_offset, clipped_share.
    """
    from recipes.metrics.report import results_html
    from recipes.metrics.results import results_csv, results_json, results_markdown, timing_line
    from vocoders.core.errors import ConfigError

    gen = gen or []
    model_way: dict[str, Any] = {"--exp": exp, "--data": data}
    if effects and pairs:
        model_way = {"--effect": effects, "--pairs": pairs}
    elif effects:
        model_way = {"--effect": effects, "--true": true, "--train": train, "--data": data}
    _check_way({"--ref": ref, "--gen": gen}, model_way)
    if checkpoint != "last" and not exp:
        raise ConfigError(f"--checkpoint {checkpoint} chooses one of a training run; pass its folder, --exp")
    _check_outputs({"--out": out, "--csv": csv, "--markdown": markdown, "--report": report})
    if effects:
        from recipes.cli.evaluate_effect import EFFECT_METRICS, evaluate_effects, evaluate_recorded

        chosen = metrics.replace(",", " ").split() if metrics is not None else EFFECT_METRICS
        named = _name_systems("--effect", effects)
        if pairs:
            result = evaluate_recorded(named, pairs, items, chosen, seed)
        else:
            result = evaluate_effects(named, true, train, data, items, chosen, seed)
    elif exp is not None and data is not None:
        from recipes.cli.evaluate_model import evaluate_model

        result = evaluate_model(exp, data, train, checkpoint, device, seed)
    else:
        options = {"nj": nj, "seed": seed, "natural": natural, "dry": dry}
        systems = {name: Path(source) for name, source in _name_systems("--gen", gen).items()}
        result = _measure_audio(ref, systems, metrics, (resample, max_difference), options)
    # The table comes first: a disk that is full must not take the numbers with it.
    _show_table(result)
    _show_problems(result.problems)
    _logger.info("%s", timing_line(result))
    notes = note or ()
    if out is not None:
        _write(out, results_json(result))
    if csv is not None:
        _write(csv, results_csv(result))
    if markdown is not None:
        _write(markdown, results_markdown(result, title, notes))
    if report is not None:
        _write(report, results_html(result, title, notes, report_files))
        _logger.info("report: %s (%.1f MB)", report, report.stat().st_size / 1e6)
    if result.failures:
        raise typer.Exit(1)


def _check_way(audio: dict[str, Any], model: dict[str, Any]) -> None:
    """Find out which of two ways is meant: audio against references, or a model against recordings."""
    from vocoders.core.errors import ConfigError

    ways = [{name: value for name, value in way.items() if value} for way in (audio, model)]
    if all(ways):
        raise ConfigError(f"{next(iter(ways[0]))} measures audio and {next(iter(ways[1]))} a model; give one of them")
    for way, found in zip((audio, model), ways, strict=True):
        missing = [name for name in way if name not in found]
        if found and missing:
            raise ConfigError(f"{missing[0]} is missing; {' and '.join(way)} belong together")
    if not any(ways):
        raise ConfigError("nothing to evaluate; pass --ref and --gen, or --exp and --data for bits per sample")


def _measure_audio(
    ref: Path, systems: dict[str, Path], metrics: str | None, limits: tuple[bool, float], options: dict[str, Any]
) -> "EvaluationResult":
    from dataclasses import replace

    from recipes.metrics.evaluation import Alignment, evaluate_systems
    from recipes.metrics.registry import DEFAULT_METRICS, find_metrics

    wanted = metrics.replace(",", " ").split() if metrics is not None else DEFAULT_METRICS
    chosen, not_run = find_metrics(wanted, options["dry"] is not None)
    for reason in dict.fromkeys(not_run.values()):
        typer.echo(f"not run: {reason}", err=True)
    alignment = Alignment(resample=limits[0], fail_seconds=limits[1])
    return replace(evaluate_systems(ref, systems, chosen, alignment=alignment, **options), not_run=not_run)


def _check_outputs(outputs: "dict[str, Path | None]") -> None:
    """Find out before a long run, and not after it, that a file cannot be written."""
    import os

    from vocoders.core.errors import ConfigError

    taken: dict[Path, str] = {}
    for option, given in outputs.items():
        if given is None:
            continue
        path = given.resolve()
        if path.is_dir():
            raise ConfigError(f"{given} is a folder; {option} expects the name of a file to write")
        other = taken.setdefault(path, option)
        if other != option:
            raise ConfigError(f"{given} is to hold two results; give {other} and {option} different names")
        standing = next(parent for parent in path.parents if parent.exists())
        if not standing.is_dir() or not os.access(standing, os.W_OK | os.X_OK):
            raise ConfigError(f"{option} {given}: cannot write to {standing}; choose another place")


def _write(path: Path, text: str) -> None:
    from vocoders.core.atomic import atomic_file

    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _name_systems(option: str, sources: list[str]) -> dict[str, str]:
    """Name each system by what stands before ``=``, else by as many parts of its path as tell it from the others."""
    from vocoders.core.errors import ConfigError

    given, unnamed = {}, []
    for source in sources:
        name, separator, location = source.partition("=")
        if separator and name and not Path(source).exists():
            if name in given:
                raise ConfigError(f"{option}: two systems are called '{name}'; give them different names")
            given[name] = location
        else:
            unnamed.append(source)
    parts = [Path(source).resolve().parts for source in unnamed]
    if len(set(parts)) < len(parts):
        raise ConfigError(f"{option}: one system stands twice; give each once")
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names) and not given.keys() & set(names):
            break
    by_source = dict(zip(unnamed, names, strict=True)) if unnamed else {}
    named = {}
    # Rows keep the order of the command line.
    for source in sources:
        name = by_source.get(source) or source.partition("=")[0]
        if name in named:
            raise ConfigError(f"{option}: two systems are called '{name}'; give them different names")
        named[name] = given.get(name) or source
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
    lines = ["undefined" if summary.mean is None else f"{summary.mean:.{decimals}f}"]
    if summary.interval is not None:
        lines.append(f"[dim]±{(summary.interval[1] - summary.interval[0]) / 2:.{decimals}f}[/dim]")
    if summary.left_out:
        lines.append(f"[dim]{summary.left_out} left out[/dim]")
    return "\n".join(lines)


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
