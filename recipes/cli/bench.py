"""`ondes bench`: speed of models and peers on this machine, and README tables from the results."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recipes.cli.lists import ListKind, list_command
from recipes.cli.printing import say_text

if TYPE_CHECKING:
    from recipes.benchmark.session import Plan

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    lists = {
        **dict.fromkeys(("--models", "--against", "--precision", "--runtime"), ListKind.NAMES),
        **dict.fromkeys(("--seconds", "--threads", "--blocks", "--chunks"), ListKind.NUMBERS),
    }
    app.command("bench", cls=list_command(lists))(_bench)


def _bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="The same as --models.", show_default=False),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            help="Shipped names, folders, hub ids, or variants with random weights: wavehax:v1, periodwave:small, "
            "sashimi:sc09, tcn:tcn_300_causal.",
            show_default="what ships",
        ),
    ] = None,
    seconds: Annotated[str, typer.Option("--seconds", help="Lengths of audio.")] = "1,10",
    threads: Annotated[str, typer.Option("--threads", help="Numbers of threads.")] = "1,2",
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ... or auto.")] = "cpu",
    against: Annotated[
        str,
        typer.Option(
            "--against",
            help="Peers in the same run: vocos, hifigan-v1, griffin-lim; for effects onnx-runtime.",
            show_default="none",
        ),
    ] = "",
    blocks: Annotated[str, typer.Option("--blocks", help="Block sizes for effects, in samples.")] = "64,256,1024,4096",
    chunks: Annotated[
        str,
        typer.Option(
            "--chunks",
            help="Measure streams of vocoders too, with so many frames at once, such as 1,2,4,8,16.",
            show_default="no streams",
        ),
    ] = "",
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Solver steps, for flow matching.")] = None,
    solver: Annotated[str | None, typer.Option("--solver", help="euler, midpoint, heun or rk4.")] = None,
    precision: Annotated[str, typer.Option("--precision", help="fp32, bf16 (autocast), or both: fp32,bf16.")] = "fp32",
    runtime: Annotated[
        str,
        typer.Option("--runtime", help="What computes networks: auto, torch, compiled, onnx, openvino, or several."),
    ] = "auto",
    runs: Annotated[int, typer.Option("--runs", min=1, help="Measured rounds; tables show medians.")] = 5,
    load: Annotated[
        int, typer.Option("--load", min=0, help="Measure systems again beside this many busy processes.")
    ] = 0,
    memory: Annotated[
        bool, typer.Option("--memory/--no-memory", help="Measure peak memory, in one process per system.")
    ] = True,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file for all runs.")] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="Print the tables of this result; measure nothing.")
    ] = None,
    fill: Annotated[
        Path | None, typer.Option("--fill", help="Renew the marked tables of this page; measure nothing.")
    ] = None,
) -> None:
    """Measure speed, size, arithmetic and memory of models.

    Systems alternate within each round, so ratios stay right when the speed
    of the machine drifts. Vocoders start from features: times include the
    excitation, but not the analysis. Effects play block by block. RTF is
    computing time over duration. The latency of a stream is the length of a
    chunk, the frames that the model waits for, and the time of computing. SNR for bf16 is relative to the waveform of
    fp32. A page marks a table by '<!-- table: results.json -->' and
    '<!-- end of table -->'.

    Example: ondes bench wavehax-24k --runtime torch,compiled --seconds 1
    """
    from recipes.benchmark.tables import fill_tables, read_results, tables_markdown

    if table is not None or fill is not None:
        if fill is not None:
            _write(fill, fill_tables(fill))
        if table is not None:
            say_text(tables_markdown(read_results(table)))
        return
    from recipes.benchmark.session import run_benchmark

    if out is not None and out.is_dir():
        raise typer.BadParameter(f"{out} is a folder; expected the name of a file to write", param_hint="--out")
    chosen = [*(names or []), *_words(models or "")] or _shipped()
    sampling = {"steps": steps, "solver": solver}
    plan = _plan(chosen, _words(against), _words(precision), _words(runtime), sampling, device)
    plan = _replace(plan, seconds, threads, blocks, chunks, runs, memory, load)
    document = run_benchmark(plan)
    say_text(tables_markdown(document))
    if out is not None:
        _write(out, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _plan(
    models: Sequence[str],
    peers: Sequence[str],
    precisions: Sequence[str],
    runtimes: Sequence[Any],
    sampling: dict[str, Any],
    device: str,
) -> "Plan":
    from recipes.benchmark.blocks import ONNX_RUNTIME
    from recipes.benchmark.find import Request, is_effect
    from recipes.benchmark.session import Plan
    from vocoders.core.errors import ConfigError
    from vocoders.core.runtime_names import RUNTIMES

    if not precisions or not set(precisions) <= {"fp32", "bf16"}:
        raise ConfigError(f"unknown precision '{','.join(precisions)}'; expected fp32, bf16 or fp32,bf16")
    if unknown := [name for name in runtimes if name not in RUNTIMES]:
        raise ConfigError(f"unknown runtime '{unknown[0]}'; expected some of {', '.join(RUNTIMES)}")
    effects = [name for name in dict.fromkeys(models) if is_effect(name)]
    requests = [
        Request(name, kind, device=device, runtime=runtime, **sampling)
        for name in dict.fromkeys(models)
        if name not in effects
        for kind in precisions
        for runtime in runtimes
    ]
    has_onnx_runtime = ONNX_RUNTIME in peers
    if has_onnx_runtime and not effects:
        raise ConfigError(f"--against {ONNX_RUNTIME} is for effects, and none is measured; name one")
    requests += [Request(name, device=device, is_peer=True) for name in dict.fromkeys(peers) if name != ONNX_RUNTIME]
    return Plan(tuple(requests), tuple(effects), (), (), (), 1, device, has_onnx_runtime)


def _replace(
    plan: "Plan", seconds: str, threads: str, blocks: str, chunks: str, runs: int, memory: bool, load: int
) -> "Plan":
    from dataclasses import replace

    return replace(
        plan,
        seconds=tuple(_numbers(seconds, "--seconds")),
        threads=tuple(map(int, _numbers(threads, "--threads", whole=True))),
        blocks=tuple(map(int, _numbers(blocks, "--blocks", whole=True))),
        chunks=tuple(map(int, _numbers(chunks, "--chunks", whole=True))) if chunks else (),
        runs=runs,
        has_memory=memory,
        load=load,
    )


def _shipped() -> list[str]:
    from vocoders.core.errors import ConfigError
    from vocoders.core.model_source import shipped_models

    found = [model.name for model in shipped_models()]
    if not found:
        raise ConfigError("no model given and none ships with ondes; pass --models, for example wavehax:v1")
    return found


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _numbers(text: str, option: str, whole: bool = False) -> list[float]:
    from vocoders.core.errors import ConfigError

    example = "1,2" if whole else "1,10"
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"{option}: '{text}' is not a list of numbers; expected something like {example}") from None
    if not all(0 < number < float("inf") and (not whole or number == int(number)) for number in numbers):
        kind = "whole numbers from 1" if whole else "positive numbers"
        raise ConfigError(f"{option}: found '{text}'; expected {kind} such as {example}")
    return numbers


def _write(path: Path, text: str) -> None:
    from vocoders.core.atomic import atomic_file

    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
