"""`ondes generate`: waveforms of autoregressive and unconditional diffusion models, also after a prompt."""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recipes.cli.batch_options import ShareOptions
from recipes.cli.declared import chosen_options, declared_command, given_options
from recipes.cli.drawing import Item, Report, Request, draw, select_items
from recipes.cli.long_generation import is_long, write_long_items
from recipes.cli.option_group import with_option_groups
from recipes.cli.pipes import PipeOptions, check_pipe_output, deliver, only_one, uses_pipes
from recipes.cli.threads_option import ThreadsOption

if TYPE_CHECKING:
    from torch import Tensor

    from vocoders.interface import WaveformGenerator

__all__ = ["register"]

_logger = logging.getLogger(__name__)

# Largest batch without --batch; the memory may allow less.
_MOST_ITEMS = 64


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
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal audio, for any --num and --batch.")] = 0,
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
    share: ShareOptions,
) -> None:
    """Draw waveforms, unconditionally or after a prompt.

    Every item continues the prompt. Items are numbered from 0; --drop-worst
    and --drop-best leave out items by likelihood. With -o - the first item
    is written to standard output while it is drawn.

    Example: ondes generate -m sashimi-piano-16k --seconds 4 --num 4 -o out/
    """
    from recipes.cli.interruption import prompt_interruption
    from vocoders.core.device import resolve_device
    from vocoders.registry import load_generator

    _check(seconds, num, drop_worst, drop_best, share)
    output = output.expanduser()
    piped = uses_pipes([], output)
    # Reported before a model is downloaded.
    if piped:
        check_pipe_output(output, force or share.skip_existing, json_lines)
        only_one(range(num), "items")
    else:
        _plan(output, _names(num, prompt), prompt, force, share)
    generator = load_generator(model, device=resolve_device(device))
    options = chosen_options(generator, model, given_options(context))
    _check_abilities(generator, model, {"prompt": prompt, "label": label}, drop_worst or drop_best)
    labels = generator.item_labels(range(num), label, seed)
    audio = None if prompt is None else _read_prompt(prompt, generator)
    length = max(1, round(seconds * generator.sample_rate))
    if piped:
        pieces = generator.draw_pieces(length, prompt=audio, label=label, seed=seed, options=options)
        deliver(output, (piece[None] for piece in pieces if len(piece)), generator.sample_rate, 1, pipes, force)
        return
    outputs = _plan(output, _names(num, prompt, labels), prompt, force, share)
    numbers = share.undone(range(num), outputs)
    request = Request(length, numbers, seed, batch or _MOST_ITEMS, options, audio, label)
    with prompt_interruption():
        if not (drop_worst or drop_best) and is_long(request, generator):
            reports = write_long_items(generator, request, outputs)
        else:
            items = draw(generator, request, batch is not None)
            if drop_worst or drop_best:
                items = iter(select_items(list(items), drop_worst, drop_best))
            reports = (_write(item, outputs[item.number], generator.sample_rate) for item in items)
        for report in reports:
            _tell(report, json_lines)


def _check(seconds: float, num: int, drop_worst: float, drop_best: float, share: ShareOptions) -> None:
    import torch

    from recipes.ranking import select
    from vocoders.core.errors import ConfigError

    if (drop_worst or drop_best) and (share.shard or share.skip_existing):
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


def _plan(output: Path, names: list[str], prompt: Path | None, force: bool, share: ShareOptions) -> list[Path]:
    from recipes.cli.inputs import Input
    from recipes.cli.outputs import plan_outputs
    from vocoders.core.audio import AUDIO_SUFFIXES
    from vocoders.core.errors import ConfigError

    if len(names) > 1 and output.suffix.lower() in AUDIO_SUFFIXES and not output.is_dir():
        raise ConfigError(f"{output} is one file, but {len(names)} items are to be written; give a folder")
    items = [Input(prompt or Path(name), PurePath(name)) for name in names]
    return plan_outputs(items, output, force or share.skip_existing, share=share.place())


def _check_abilities(generator: "WaveformGenerator", name: str, given: dict[str, Any], drop: float) -> None:
    from vocoders.core.errors import ConfigError

    if given["prompt"] is not None and not generator.takes_prompt:
        raise ConfigError(f"'{name}' continues no prompt; leave out --prompt")
    if given["label"] is not None and not generator.labels:
        raise ConfigError(f"'{name}' has no labels; leave out --label")
    if drop and not generator.has_likelihood:
        raise ConfigError(f"'{name}' gives no likelihoods to rank by; leave out --drop-worst and --drop-best")


def _read_prompt(path: Path, generator: "WaveformGenerator") -> "Tensor":
    from vocoders.core.audio import audio_info, read_audio
    from vocoders.core.errors import DataError
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
    if info.sample_rate != generator.sample_rate:
        _logger.warning("%s: resampled from %d Hz to the model's %d Hz", path, info.sample_rate, generator.sample_rate)
    if info.channels > 1:
        _logger.warning("%s: average of %d channels", path, info.channels)
    return audio[0]


def _write(item: Item, path: Path, sample_rate: int) -> Report:
    from vocoders.core.audio import write_audio

    write_audio(path, item.audio, sample_rate)
    seconds = item.audio.shape[-1] / sample_rate
    return Report(str(path), item.number, seconds, sample_rate, item.bits_per_sample, item.label)


def _tell(report: Report, json_lines: bool) -> None:
    rating = "" if report.bits_per_sample is None else f", {report.bits_per_sample:.3f} bits per sample"
    rating += "" if report.label is None else f", label {report.label}"
    level = logging.DEBUG if sys.stderr.isatty() and not json_lines else logging.INFO
    _logger.log(level, "%s: %.2f s%s", report.path, report.seconds, rating)
    if json_lines:
        typer.echo(json.dumps(asdict(report), ensure_ascii=False))
