"""`ondes generate`: waveforms from nothing or from a prompt, by autoregressive models and unconditional diffusion."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from torch import Tensor

    from vocoders.sashimi.sampler import SamplingConfig

__all__ = ["register"]

_logger = logging.getLogger(__name__)

# Items that are drawn together where neither --batch nor the memory says less.
_MOST_ITEMS = 64


@dataclass(frozen=True)
class _Report:
    """One line of ``--json``; None is what a model does not have: a likelihood, or labels."""

    path: str
    item: int
    seconds: float
    sample_rate: int
    bits_per_sample: float | None
    label: str | None


@dataclass(frozen=True)
class _Request:
    """What is wanted of a model."""

    length: int
    num: int
    seed: int
    batch: int
    weights: str
    sampling: "SamplingConfig"
    prompt: "Tensor | None"
    label: str | None


@dataclass(frozen=True)
class _Item:
    """One waveform: audio (1, T), its log-likelihood in nats and its label, None where there is none."""

    number: int
    audio: "Tensor"
    log_likelihood: float | None
    bits_per_sample: float | None
    label: str | None = None


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("generate")(_generate)


def _generate(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR|FILE", help="Folder, or file for one item.", show_default=False),
    ],
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="Folder, shipped name or hub id of a SaShiMi model.", show_default=False),
    ],
    seconds: Annotated[float, typer.Option("--seconds", help="Length to draw, without the prompt.")] = 1.0,
    num: Annotated[int, typer.Option("--num", "-n", min=1, help="How many.")] = 1,
    label: Annotated[
        str | None,
        typer.Option("--label", "-l", help="What all items are, of a model with labels.", show_default="drawn each"),
    ] = None,
    prompt: Annotated[
        Path | None, typer.Option("--prompt", help="Audio to continue; the output begins with it, quantised.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="Divides the logits; 0 is greedy.", show_default="the model's")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option("--top-p", help="Draw from the likeliest codes only.", show_default="the model's")
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(
            "--guidance", help="Above 1 exaggerates what tells a label from others.", show_default="the model's"
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal audio, whatever --num and --batch.")] = 0,
    drop_worst: Annotated[
        float, typer.Option("--drop-worst", help="Part of the items to drop, least likely first; published: 0.4.")
    ] = 0.0,
    drop_best: Annotated[
        float, typer.Option("--drop-best", help="Part of the items to drop, most likely first; published: 0.05.")
    ] = 0.0,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, help="Items drawn together.", show_default="auto")
    ] = None,
    weights: Annotated[
        str, typer.Option("--weights", help="float32, or int16: faster on a CPU, logits to some 1e-4.")
    ] = "float32",
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ... or auto.")] = "auto",
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace existing output files.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON line per file.")] = False,
) -> None:
    """Draw waveforms from a model.

    With a prompt, each item continues it. Items are numbered from 0;
    --drop-worst and --drop-best leave out items by their likelihood.
    """
    from recipes.cli.interruption import prompt_interruption
    from vocoders.core.device import resolve_device
    from vocoders.registry import load
    from vocoders.sashimi.sampler import SamplingConfig

    changes = {"temperature": temperature, "top_p": top_p, "guidance": guidance}
    changes = {name: value for name, value in changes.items() if value is not None}
    SamplingConfig.from_dict(changes, "sampling")
    _check(seconds, num, drop_worst, drop_best)
    output = output.expanduser()
    # Told before a model is fetched.
    _plan(output, _names(num, prompt), prompt, force)
    system = load(model, device=resolve_device(device))
    others = {"label": label, "prompt": prompt, "drop_worst": drop_worst or None, "drop_best": drop_best or None}
    draw = _chosen_way(system, model, [*changes, *(name for name, value in others.items() if value is not None)])
    length = max(1, round(seconds * system.sample_rate))
    codes = None if prompt is None else _read_prompt(prompt, system)
    default = getattr(system.config, "sampling", None) or SamplingConfig()
    sampling = SamplingConfig.from_dict(default.to_dict() | changes, "sampling")
    outputs = _plan(output, _names(num, prompt, _labels(system, num, seed, label)), prompt, force)
    request = _Request(length, num, seed, batch or min(num, _MOST_ITEMS), weights, sampling, codes, label)
    with prompt_interruption():
        items = draw(system, request, batch is not None)
        if drop_worst or drop_best:
            items = iter(_selected(list(items), drop_worst, drop_best))
        for item in items:
            _write(item, outputs[item.number], system.sample_rate, json_lines)


def _check(seconds: float, num: int, drop_worst: float, drop_best: float) -> None:
    import torch

    from vocoders.sashimi.sampler import select

    if not 0 < seconds < float("inf"):
        raise typer.BadParameter(f"{seconds:g} is not a positive number", param_hint="--seconds")
    # Told before hours of work: nothing may remain.
    select(torch.zeros(num), drop_worst, drop_best)


def _names(num: int, prompt: Path | None, labels: Sequence[str] = ()) -> list[str]:
    """Return the file name of each item: its number, and its label if it has one."""
    stem, digits = "sample" if prompt is None else prompt.stem, len(str(num - 1))
    names = [f"{stem}-{item:0{digits}d}" for item in range(num)]
    return [f"{name}-{label}" for name, label in zip(names, labels, strict=True)] if labels else names


def _labels(model: Any, num: int, seed: int, label: str | None) -> Sequence[str]:
    from vocoders.sashimi.sampler import item_labels, label_names

    return label_names(model, item_labels(model, seed, range(num), label)) if hasattr(model.config, "labels") else ()


def _plan(output: Path, names: list[str], prompt: Path | None, force: bool) -> list[Path]:
    from recipes.cli.inputs import Input
    from recipes.cli.outputs import plan_outputs
    from vocoders.core.audio import AUDIO_SUFFIXES
    from vocoders.core.errors import ConfigError

    if len(names) > 1 and output.suffix.lower() in AUDIO_SUFFIXES and not output.is_dir():
        raise ConfigError(f"{output} is one file, but {len(names)} items are to be written; give a folder")
    return plan_outputs([Input(prompt or Path(name), PurePath(name)) for name in names], output, force)


def _chosen_way(system: Any, name: str, options: list[str]) -> "Callable[[Any, _Request, bool], Iterator[_Item]]":
    from vocoders.core.errors import ConfigError

    if hasattr(system, "advance") and hasattr(system, "quantiser"):
        return _draw_codes
    if not hasattr(system, "schedule") or system.log_mel is not None:
        raise ConfigError(f"'{name}' makes audio from features, not from nothing; use 'ondes synth'")
    if options:
        raise ConfigError(f"'{name}' is a diffusion model: leave out --{options[0].replace('_', '-')}")
    return _diffuse


def _read_prompt(path: Path, model: Any) -> "Tensor":
    from vocoders.core.audio import audio_info, read_audio
    from vocoders.core.errors import DataError
    from vocoders.sashimi.sampler import available_memory, encode_prompt

    info = audio_info(path)
    needed = round(info.frames * (8 * info.channels + 24 * max(1, model.sample_rate / info.sample_rate)))
    available = available_memory()
    if available is not None and needed > available:
        raise DataError(
            f"{path}: {info.duration:.0f} s take {needed / 1e9:.1f} GB to read and {available / 1e9:.1f} GB are free; "
            "give a shorter prompt"
        )
    audio, _ = read_audio(path, model.sample_rate, mono=True)
    if info.sample_rate != model.sample_rate:
        _logger.warning("%s: resampled from %d Hz to the model's %d Hz", path, info.sample_rate, model.sample_rate)
    if info.channels > 1:
        _logger.warning("%s: average of %d channels", path, info.channels)
    try:
        return encode_prompt(model, audio)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _draw_codes(model: Any, request: _Request, is_batch_fixed: bool) -> Iterator[_Item]:
    """Draw from an autoregressive model, batch by batch."""
    from recipes.progress import gauge
    from vocoders.sashimi.sampler import generate, item_stepper

    batch = _fitting_batch(model, request, is_batch_fixed)
    drawn, computing = 0, 0.0
    with gauge("generation", request.num * request.length, "samples/s") as advance:
        for first in range(0, request.num, batch):
            numbers = range(first, min(first + batch, request.num))
            given = (request.prompt, request.sampling, request.seed, request.weights, request.label)
            stepper = item_stepper(model, numbers, *given)
            done = first * request.length
            options = {"sampling": request.sampling, "seed": request.seed, "stepper": stepper}
            started = time.perf_counter()
            progress = _shifted(advance, done)
            result = generate(model, request.length, numbers, request.prompt, progress=progress, **options)
            computing += time.perf_counter() - started
            drawn += len(numbers) * request.length
            likelihoods, bits = result.log_likelihoods.tolist(), result.bits_per_sample.tolist()
            named = result.labels or (None,) * len(numbers)
            for number, *parts in zip(numbers, result.audio, likelihoods, bits, named, strict=True):
                yield _Item(number, *parts)
    speed = drawn / computing
    _logger.info(
        "%d samples in %.2f s: %.0f samples per second, %.2f x real time, with %s",
        *(drawn, computing, speed, speed / model.sample_rate, type(stepper).__name__),
    )


def _shifted(advance: Callable[[float], None], before: int) -> Callable[[int], None]:
    return lambda drawn: advance(before + drawn)


def _fitting_batch(model: Any, request: _Request, is_fixed: bool) -> int:
    """Return how many items are drawn together; as many as the memory allows, unless the user has said."""
    from vocoders.core.errors import ConfigError
    from vocoders.sashimi.sampler import available_memory, memory_of_generation

    available = available_memory() if next(model.parameters()).device.type == "cpu" else None
    batch = min(request.batch, request.num)
    prompt_length = 0 if request.prompt is None else len(request.prompt)
    while available is not None:
        needed = memory_of_generation(model, batch, request.length, prompt_length, request.sampling.is_guided)
        if needed <= available:
            break
        if batch == 1 or is_fixed:
            raise ConfigError(
                f"{batch} items of {request.length + prompt_length} samples take about {needed / 1e9:.1f} GB and "
                f"{available / 1e9:.1f} GB are free; use a smaller --batch, fewer --seconds, a shorter --prompt "
                "or --guidance 1"
            )
        batch = batch // 2
    return batch


def _diffuse(model: Any, request: _Request, is_batch_fixed: bool) -> Iterator[_Item]:
    """Draw from an unconditional diffusion model, one item at a time: its noise belongs to the item."""
    import numpy as np

    from recipes.progress import gauge

    with gauge("generation", request.num * request.length, "samples/s") as advance:
        for number in range(request.num):
            mixed = np.random.SeedSequence([request.seed % (1 << 64), number]).generate_state(1, np.uint64)
            progress = _scaled(advance, number * request.length, request.length)
            options = {"num_samples": request.length, "seed": int(mixed[0] >> 1), "progress": progress}
            yield _Item(number, model.synthesize(**options)[0].float().cpu(), None, None)


def _scaled(advance: Callable[[float], None], before: int, length: int) -> Callable[[float], None]:
    return lambda fraction: advance(before + fraction * length)


def _selected(items: Sequence[_Item], drop_worst: float, drop_best: float) -> list[_Item]:
    import torch

    from vocoders.sashimi.sampler import select

    chosen = select(torch.tensor([item.log_likelihood for item in items]), drop_worst, drop_best)
    _logger.info("%d of %d items remain, in ascending order of likelihood", len(chosen), len(items))
    return [items[index] for index in chosen]


def _write(item: _Item, path: Path, sample_rate: int, json_lines: bool) -> None:
    from vocoders.core.audio import write_audio

    audio = item.audio
    write_audio(path, audio, sample_rate)
    seconds = audio.shape[-1] / sample_rate
    rating = "" if item.bits_per_sample is None else f", {item.bits_per_sample:.3f} bits per sample"
    rating += "" if item.label is None else f", label {item.label}"
    level = logging.DEBUG if sys.stderr.isatty() and not json_lines else logging.INFO
    _logger.log(level, "%s: %.2f s%s", path, seconds, rating)
    if json_lines:
        report = _Report(str(path), item.number, seconds, sample_rate, item.bits_per_sample, item.label)
        typer.echo(json.dumps(asdict(report), ensure_ascii=False))
