"""`ondes effect`: play audio through a neural effect or a processor."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recipes.cli.batch import Job, Report, Work, audio_jobs, run_jobs
from recipes.cli.batch_options import BatchOptions
from recipes.cli.capture_options import CaptureOptions
from recipes.cli.meter import Meter
from recipes.cli.option_group import with_option_groups
from recipes.cli.pipes import PipeOptions, check_pipe_output, deliver, open_source, uses_pipes
from recipes.cli.threads_option import ThreadsOption

if TYPE_CHECKING:
    from torch import Tensor

    from effects.automation import Automation
    from effects.engine import StereoMode
    from effects.levels import Levels
    from effects.rendering import Stream
    from recipes.cli.effect_source import Options, Source
    from recipes.cli.inputs import Input

__all__ = ["register"]

_logger = logging.getLogger(__name__)

# Default block size, and the number of samples read from a file at once.
_BLOCK = 1 << 15


@dataclass(frozen=True)
class _Report(Report):
    """Result for one file."""

    sample_rate: int
    channels: int
    subtype: str
    peak: float
    latency_samples: int


@dataclass(frozen=True)
class _Playing:
    """The effect and its settings for all files."""

    source: "Source"
    options: "Options"
    block: int
    mix: float


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("effect")(with_option_groups(_effect))


def _effect(
    *,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUTS",
            help="Audio (wav, flac, ogg, mp3 ...), a folder, a quoted pattern, a wav.scp, or - for standard input.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR|FILE|-", help="Folder, file, or - for standard output.", show_default=False
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Shipped name, folder, hub id, or a capture: .nam, .json, .aidax."),
    ] = None,
    processor: Annotated[
        str | None,
        typer.Option("--processor", help="Processor to use instead of a model, such as comp_4c."),
    ] = None,
    knobs: Annotated[
        list[str] | None,
        typer.Option(
            "--knob",
            "-k",
            metavar="NAME=VALUE",
            help="Value of a knob: threshold=-24dB, attack=5ms.",
            show_default=False,
        ),
    ] = None,
    automation: Annotated[
        Path | None,
        typer.Option("--automation", metavar="CSV", help="Knobs over time: column time (s), then one per knob."),
    ] = None,
    block: Annotated[int, typer.Option("--block", min=1, help="Samples per block.")] = _BLOCK,
    mix: Annotated[float, typer.Option("--mix", help="Mix of dry (0) and wet (1) audio.")] = 1.0,
    stereo: Annotated[
        Literal["dual", "linked"],
        typer.Option("--stereo", help="Stereo through a mono model: separate channels, or one gain."),
    ] = "dual",
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ... or auto.")] = "auto",
    threads: ThreadsOption = None,
    zero_latency: Annotated[
        bool, typer.Option("--zero-latency", help="Run the model on each block at once; do not wait for a hop.")
    ] = False,
    list_knobs: Annotated[bool, typer.Option("--list-knobs", help="Show the knobs of the effect, and exit.")] = False,
    capture: CaptureOptions,
    pipes: PipeOptions,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace existing output files.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON line per file, or per knob.")] = False,
    many: BatchOptions,
) -> None:
    """Play audio through an effect.

    Each file keeps its length, sample rate, channels and sample format.
    Audio at another rate is resampled to the model's rate and back. Blocks
    of any size give the same audio, bit for bit; with --zero-latency, within
    1e-6. --processor comp_4c, or --model true:comp_4c, plays the processor
    from which models learn. --model amp.nam plays a capture of an amplifier
    or a pedal; --slim, --normalize and --calibrate are for captures.
    In a pipe audio is played as it comes: ondes effect - -o -

    Example: ondes effect in.wav -o out.wav -m comp4c-tcn -k threshold=-24dB
    """
    if list_knobs:
        from recipes.cli.effect_source import resolve_source
        from recipes.cli.knob_table import show_knobs

        show_knobs(resolve_source(model, processor, "cpu", capture.slim), json_lines)
        return
    piped = output is not None and uses_pipes(inputs or [], output)
    items, outputs = ([], []) if piped else _find_files(inputs, output, force, many)
    if not 0 <= mix <= 1:
        raise typer.BadParameter(f"{mix:g} is not in the range 0 .. 1", param_hint="--mix")
    settings = (knobs or [], automation, stereo, zero_latency)
    open_playing = partial(_open, (model, processor, device), capture, settings, block, mix)
    playing = open_playing()
    if piped and inputs and output is not None:
        check_pipe_output(output.expanduser(), force, json_lines)
        _play_pipe(inputs[0], output.expanduser(), playing, pipes, force)
        return
    jobs = audio_jobs(items, outputs, many)
    run_jobs(jobs, Work("effect", _play, open_playing, playing), json_lines, many.nj)


def _open(
    names: tuple[str | None, str | None, str],
    capture: CaptureOptions,
    settings: "tuple[Sequence[str], Path | None, StereoMode, bool]",
    block: int,
    mix: float,
) -> _Playing:
    """Find the effect and check its settings, in each process."""
    from recipes.cli.effect_source import find_levels, resolve_source

    source = resolve_source(*names, capture.slim)
    levels = find_levels(source, capture.normalize, capture.calibrate)
    return _Playing(source, _read_options(source, *settings, levels), block, mix)


def _find_files(
    inputs: list[str] | None, output: Path | None, force: bool, many: BatchOptions
) -> "tuple[list[Input], list[Path]]":
    from recipes.cli.inputs import find_inputs
    from recipes.cli.outputs import plan_outputs
    from vocoders.core.errors import ConfigError

    if not inputs or output is None:
        missing = "--output" if inputs else "INPUTS"
        raise ConfigError(f"{missing} is missing: give audio and where to write, or --list-knobs")
    items = find_inputs(inputs)
    if features := [item.path for item in items if item.is_features]:
        raise ConfigError(f"{features[0]} contains features; an effect takes audio")
    place = many.place()
    return items, plan_outputs(items, output.expanduser(), force or many.skip_existing, None, share=place)


def _read_options(
    source: "Source",
    knobs: Sequence[str],
    automation: Path | None,
    stereo: "StereoMode",
    zero_latency: bool,
    levels: "Levels",
) -> "Options":
    """Check the options that all files share, before any work."""
    from effects.automation import Automation
    from recipes.cli.effect_source import Options

    settings = source.knobs.parse(knobs)
    curves = None if automation is None else Automation.read_csv(automation.expanduser(), source.knobs)
    for name in settings.keys() & (curves.curves.keys() if curves else set()):
        _logger.warning("knob '%s' follows %s; --knob %s has no effect", name, automation, name)
    options = Options(settings, curves, stereo, zero_latency, levels)
    source.open(None, options)
    return options


def _play(job: Job, playing: _Playing, progress: Callable[[float], None]) -> _Report:
    from recipes.cli.effect_files import choose_subtype
    from vocoders.core.audio import audio_info, write_blocks

    path, output = job.path, job.output
    info = audio_info(path)
    stream = playing.source.open(info.sample_rate, playing.options)
    subtype, note = choose_subtype(info, output)
    notes = playing.source.about(info.sample_rate, info.channels, playing.options.stereo)
    for text in [*notes, note] if note else notes:
        _logger.info("%s: %s", path, text)
    _warn_if_short(path, playing.options.automation, info.duration)
    meter = Meter(lambda samples: progress(samples / info.frames))
    started = time.perf_counter()
    wet = meter.watch(_through(path, stream, playing))
    length = write_blocks(output, wet, info.sample_rate, info.channels, info.frames, subtype)
    seconds = length / info.sample_rate
    rtf = round((time.perf_counter() - started) / seconds, 6)
    facts = (info.sample_rate, info.channels, subtype, round(meter.peak, 6), stream.latency_samples)
    return _Report(str(path), str(output), seconds, rtf, *facts)


def _play_pipe(name: str, output: Path, playing: _Playing, pipes: PipeOptions, force: bool) -> None:
    """Play one input whose length may be unknown, block by block, as it comes."""
    from effects.rendering import render_blocks

    rate, channels, blocks = open_source(name, pipes)
    stream = playing.source.open(rate, playing.options)
    for text in playing.source.about(rate, channels, playing.options.stereo):
        _logger.info("%s", text)
    parts = (part for block in blocks for part in block.split(playing.block, dim=-1))
    deliver(output, render_blocks(stream, parts, playing.mix), rate, channels, pipes, force)


def _through(path: Path, stream: "Stream", playing: _Playing) -> "Iterator[Tensor]":
    """Yield the file's audio after the effect, played in blocks of the host's size."""
    from effects.rendering import render_blocks
    from vocoders.core.audio import read_blocks

    # Read a whole number of blocks at once, however small they are.
    size = max(1, _BLOCK // playing.block) * playing.block
    blocks = (block for read in read_blocks(path, size) for block in read.split(playing.block, dim=-1))
    return render_blocks(stream, blocks, playing.mix)


def _warn_if_short(path: Path, automation: "Automation | None", seconds: float) -> None:
    if automation is not None and automation.duration < seconds:
        text = "%s: the automation ends at %.3f s of %.3f s; its last values are held"
        _logger.warning(text, path, automation.duration, seconds)
