"""`ondes generate`: waveforms of autoregressive and unconditional diffusion models, also after a prompt."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.batch import Progress, Work, collect, run_jobs
from recipes.cli.batch_options import BatchOptions
from recipes.cli.declared import chosen_options, declared_command, given_options
from recipes.cli.drawing import (
    Batch,
    Drawing,
    DrawingWork,
    Item,
    Report,
    batch_size,
    divide,
    draw_batch,
    keep_item,
    select_items,
    write_item,
)
from recipes.cli.long_generation import is_long, write_long_item
from recipes.cli.option_group import with_option_groups
from recipes.cli.pipes import PipeOptions, check_pipe_output, deliver, only_one, uses_pipes
from recipes.cli.threads_option import ThreadsOption
from vocoders.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import Tensor

    from vocoders.interface import WaveformGenerator

__all__ = ["register"]

_logger = logging.getLogger(__name__)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("generate", cls=declared_command("generator"))(with_option_groups(_generate))


def _generate(
    *,
    context: typer.Context,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR|FILE|-", help="Folder, file, or - for standard output.", show_default=False
        ),
    ],
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="Shipped name, folder or hub id of a generator.", show_default=False),
    ],
    seconds: Annotated[float, typer.Option("--seconds", help="Length of the new audio, without the prompt.")] = 1.0,
    num: Annotated[int, typer.Option("--num", "-n", min=1, help="How many.")] = 1,
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            "-l",
            help="Label to draw, such as a word; default: a random one per item.",
            show_default=False,
        ),
    ] = None,
    prompt: Annotated[
        Path | None, typer.Option("--prompt", help="Audio to continue; the output begins with it, quantised.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal audio, for any --num or --nj.")] = 0,
    drop_worst: Annotated[
        float, typer.Option("--drop-worst", help="Fraction to drop, least likely first; published: 0.4.")
    ] = 0.0,
    drop_best: Annotated[
        float, typer.Option("--drop-best", help="Fraction to drop, most likely first; published: 0.05.")
    ] = 0.0,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, help="Items drawn together.", show_default="auto")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ... or auto.")] = "auto",
    threads: ThreadsOption = None,
    pipes: PipeOptions,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace existing output files.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON line per file.")] = False,
    many: BatchOptions,
) -> None:
    """Draw waveforms, unconditionally or after a prompt.

    Every item continues the prompt. Items are numbered from 0; --drop-worst
    and --drop-best leave out items by likelihood. With -o - the first item
    is written to standard output while it is drawn.

    Example: ondes generate -m sashimi-piano-16k --seconds 4 --num 4 -o out/
    """
    _check(seconds, num, drop_worst, drop_best, many)
    output = output.expanduser()
    piped = uses_pipes([], output)
    # Reported before a model is downloaded.
    if piped:
        check_pipe_output(output, force or many.skip_existing, json_lines)
        only_one(range(num), "items")
    else:
        _plan(output, _names(num, prompt), prompt, force, many)
    open_drawing = partial(_open, model, device, given_options(context), seconds, prompt, label, seed)
    drawing = open_drawing()
    generator, is_ranked = drawing.generator, bool(drop_worst or drop_best)
    if is_ranked and not generator.has_likelihood:
        raise ConfigError(f"'{model}' gives no likelihoods to rank by; leave out --drop-worst and --drop-best")
    labels = generator.item_labels(range(num), label, seed)
    if prompt is not None:
        _tell_of_prompt(prompt, drawing.rate)
    if piped:
        how = {"prompt": drawing.prompt, "label": label, "seed": seed, "options": drawing.options}
        pieces = generator.draw_pieces(drawing.length, **how)
        deliver(output, (piece[None] for piece in pieces if len(piece)), drawing.rate, 1, pipes, force)
        return
    outputs = _plan(output, _names(num, prompt, labels), prompt, force, many)
    numbers = many.undone(range(num), outputs)
    started = time.perf_counter()
    if not is_ranked and is_long(drawing):
        jobs = divide(numbers, outputs, drawing, 1)
        run_jobs(jobs, Work("generation", write_long_item, open_drawing, drawing), json_lines, many.nj)
    else:
        jobs = divide(numbers, outputs, drawing, batch_size(len(numbers), drawing, batch, many.nj))
        work = DrawingWork("generation", draw_batch, open_drawing, drawing)
        if is_ranked:
            items = collect(jobs, replace(work, finish=keep_item), many.nj)
            _write_chosen(select_items(items, drop_worst, drop_best), outputs, drawing, json_lines)
        else:
            run_jobs(jobs, work, json_lines, many.nj)
    _tell_speed(jobs, drawing, time.perf_counter() - started)


def _open(
    model: str,
    device: str,
    given: dict[str, str],
    seconds: float,
    prompt: Path | None,
    label: str | None,
    seed: int,
) -> Drawing:
    """Load the generator and check what it is asked for, in each process."""
    from vocoders.core.device import resolve_device
    from vocoders.registry import load_generator

    generator = load_generator(model, device=resolve_device(device))
    options = chosen_options(generator, model, given)
    if prompt is not None and not generator.takes_prompt:
        raise ConfigError(f"'{model}' continues no prompt; leave out --prompt")
    if label is not None and not generator.labels:
        raise ConfigError(f"'{model}' has no labels; leave out --label")
    audio = None if prompt is None else _read_prompt(prompt, generator)
    length = max(1, round(seconds * generator.sample_rate))
    return Drawing(generator, options, length, audio, label, seed)


def _write_chosen(items: Sequence[Item], outputs: Sequence[Path], drawing: Drawing, json_lines: bool) -> None:
    chosen = {item.number: item for item in items}
    run_jobs(divide(list(chosen), outputs, drawing, 1), Work("writing", _write_one, dict, chosen), json_lines)


def _write_one(batch: Batch, chosen: dict[int, Item], progress: Progress) -> Report:
    return write_item(chosen[batch.numbers[0]], batch.output)


def _tell_speed(jobs: Sequence[Batch], drawing: Drawing, seconds: float) -> None:
    samples = sum(len(job.numbers) for job in jobs) * drawing.length
    if samples:
        text = "%d samples in %.2f s: %.0f samples per second, %.2f x real time"
        speed = samples / seconds
        _logger.info(text, samples, seconds, speed, speed / drawing.rate)


def _check(seconds: float, num: int, drop_worst: float, drop_best: float, many: BatchOptions) -> None:
    import torch

    from recipes.ranking import select

    if (drop_worst or drop_best) and (many.shard or many.skip_existing):
        raise ConfigError("--drop-worst and --drop-best rank all items; leave out --shard and --skip-existing")
    if not 0 < seconds < float("inf"):
        raise typer.BadParameter(f"{seconds:g} is not a positive number", param_hint="--seconds")
    # Reported before hours of work: all items may be dropped.
    select(torch.zeros(num), drop_worst, drop_best)


def _names(num: int, prompt: Path | None, labels: Sequence[str] = ()) -> list[str]:
    """Return the file name of each item: number, and label if there is one."""
    stem, digits = "sample" if prompt is None else prompt.stem, len(str(num - 1))
    names = [f"{stem}-{item:0{digits}d}" for item in range(num)]
    return [f"{name}-{label}" for name, label in zip(names, labels, strict=True)] if labels else names


def _plan(output: Path, names: list[str], prompt: Path | None, force: bool, many: BatchOptions) -> list[Path]:
    from recipes.cli.inputs import Input
    from recipes.cli.outputs import plan_outputs
    from vocoders.core.audio import AUDIO_SUFFIXES

    if len(names) > 1 and output.suffix.lower() in AUDIO_SUFFIXES and not output.is_dir():
        raise ConfigError(f"{output} is one file, but {len(names)} items are to be written; give a folder")
    items = [Input(prompt or Path(name), PurePath(name)) for name in names]
    return plan_outputs(items, output, force or many.skip_existing, share=many.place())


def _read_prompt(path: Path, generator: "WaveformGenerator") -> "Tensor":
    from vocoders.core.audio import audio_info, read_audio
    from vocoders.core.memory import available_memory

    info = audio_info(path)
    needed = round(info.frames * (8 * info.channels + 24 * max(1, generator.sample_rate / info.sample_rate)))
    available = available_memory()
    if available is not None and needed > available:
        raise DataError(
            f"{path}: {info.duration:.0f} s take {needed / 1e9:.1f} GB to read and {available / 1e9:.1f} GB are free; "
            "give a shorter prompt"
        )
    audio, _ = read_audio(path, generator.sample_rate, mono=True)
    generator.check_prompt(audio[0])
    return audio[0]


def _tell_of_prompt(path: Path, rate: int) -> None:
    from vocoders.core.audio import audio_info

    info = audio_info(path)
    if info.sample_rate != rate:
        _logger.warning("%s: resampled from %d Hz to the model's %d Hz", path, info.sample_rate, rate)
    if info.channels > 1:
        _logger.warning("%s: average of %d channels", path, info.channels)
