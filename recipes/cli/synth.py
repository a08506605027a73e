"""`ondes synth`: synthesis of audio from audio or features."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recipes.cli.batch import Job, Report, Work, run_jobs
from recipes.cli.batch_options import BatchOptions
from recipes.cli.declared import chosen_options, declared_command, given_options
from recipes.cli.feature_input import FeatureOptions, load_vocoder_for, native_inputs, read_inputs
from recipes.cli.long_synthesis import is_long, synthesize_audio, synthesize_features, warn_of_peak
from recipes.cli.option_group import with_option_groups
from recipes.cli.pipes import PIPE, PipeOptions, check_pipe_output, only_one, uses_pipes
from recipes.cli.synth_stream import StreamOptions, StreamSynthesis
from recipes.cli.threads_option import ThreadsOption
from vocoders.core.runtime_names import RuntimeName

if TYPE_CHECKING:
    from torch import Tensor

    from recipes.cli.inputs import Input
    from vocoders.core.feature_files import FeaturePlace
    from vocoders.core.options import SynthesisOptions
    from vocoders.frontends.f0_config import F0Method
    from vocoders.frontends.mel_convention import MelConvention
    from vocoders.interface import Vocoder

__all__ = ["register"]

_logger = logging.getLogger(__name__)

# F0 that costs more is announced.
_LONG_SECONDS = 60.0


@dataclass(frozen=True)
class _Report(Report):
    """Result for one file."""

    sample_rate: int
    channels: int
    peak: float


@dataclass(frozen=True)
class _Synthesis:
    """The vocoder and the options for all files."""

    vocoder: "Vocoder"
    options: "SynthesisOptions"
    seed: int
    resample: bool
    f0: "F0Method | None"
    features: FeatureOptions
    convention: "MelConvention | None"

    def read(self, place: "FeaturePlace") -> "dict[str, Any]":
        """Return the arguments of ``synthesize`` for features."""
        return read_inputs(place, self.vocoder, self.convention, self.features, self.f0)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("synth", cls=declared_command("vocoder"))(with_option_groups(_synth))


def _synth(
    *,
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS",
            help="Audio (wav, flac, ogg, mp3 ...), a folder, a quoted pattern, a wav.scp, features (.npy, .npz, .pt, "
            ".h5, .ark, feats.scp), or - for standard input.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR|FILE|-", help="Folder, file, or - for standard output.", show_default=False
        ),
    ],
    features: FeatureOptions,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Shipped name, folder, hub id, or a baseline: griffin-lim, mel-inversion, world."
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ... or auto.")] = "auto",
    runtime: Annotated[
        RuntimeName,
        typer.Option("--runtime", help="Code that computes the network on the CPU; auto: the fastest."),
    ] = "auto",
    threads: ThreadsOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal audio.")] = 0,
    f0: Annotated[
        str,
        typer.Option(
            "--f0",
            metavar="SOURCE",
            help="auto: that of a feature file, else from its mel; in audio, the model's tracker. mel: from the mel. "
            "Trackers of audio: harvest, dio, pyin, swift.",
        ),
    ] = "auto",
    resample: Annotated[bool, typer.Option("--resample", help="Convert audio to the model's sample rate.")] = False,
    streaming: StreamOptions,
    pipes: PipeOptions,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace existing output files.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON line per file.")] = False,
    many: BatchOptions,
) -> None:
    """Synthesise audio from audio (copy-synthesis) or features of any mel.

    The output has the model's sample rate, and the duration and channels of
    the input; channels are synthesised separately. Sub-folders are kept.
    Baselines need no training: griffin-lim and mel-inversion (with
    griffin-lim:MODEL, from the mel of a model), and world (or world:48000).
    In a pipe: ondes synth - -o - --stream; --stream starts at once.

    Example: ondes synth recordings/ -o out/ --resample
    """
    from recipes.cli.inputs import find_inputs
    from recipes.cli.outputs import plan_outputs
    from vocoders.registry import default_vocoder

    output, piped = output.expanduser(), uses_pipes(inputs, output)
    items = [] if PIPE in inputs else find_inputs(inputs)
    outputs = [] if piped else plan_outputs(items, output, force or many.skip_existing, share=many.place())
    is_streamed = piped or streaming.stream
    jobs: list[Job] = []
    if is_streamed:
        check_pipe_output(output if piped else outputs[0], force, json_lines)
        only_one(items)
    else:
        jobs = [Job(item.path, path, 0.0, item.offset) for item, path in zip(items, outputs, strict=True)]
        jobs = many.undone(jobs, outputs, [item.path for item in items])
        if not jobs:  # nor a reason to load a model
            return
    names = (model or default_vocoder(), device, runtime)
    open_synthesis = partial(_open, *names, given_options(context), seed, resample, _method(f0), features)
    synthesis = open_synthesis()
    if is_streamed:
        _synthesize_stream(items, output if piped else outputs[0], synthesis, streaming, pipes, force)
        return
    jobs = _measured(jobs, synthesis)
    _announce_f0(synthesis, sum(job.seconds for job in jobs if _feature_place(job) is None))
    run_jobs(jobs, Work("synthesis", _work, open_synthesis, synthesis), json_lines, many.nj)


def _open(
    name: str,
    device: str,
    runtime: RuntimeName,
    given: dict[str, str],
    seed: int,
    resample: bool,
    f0: "F0Method | None",
    features: FeatureOptions,
) -> _Synthesis:
    """Load the vocoder and check its options, in each process."""
    from vocoders.core.device import resolve_device
    from vocoders.registry import is_baseline

    convention = features.convention()
    place = device if is_baseline(name) else resolve_device(device)
    vocoder = load_vocoder_for(name, convention, place, runtime)
    return _Synthesis(vocoder, chosen_options(vocoder, name, given), seed, resample, f0, features, convention)


def _method(source: str) -> "F0Method | None":
    """Return the tracker that ``--f0`` names; ``None``: the default."""
    from typing import cast, get_args

    from vocoders.core.errors import ConfigError
    from vocoders.core.plugins import unknown_name
    from vocoders.frontends.f0_config import F0Method

    methods = get_args(F0Method)
    if source not in ("auto", *methods):
        raise ConfigError(f"--f0: {unknown_name('F0 source', source, ('auto', *methods))}")
    return None if source == "auto" else cast("F0Method", source)


def _announce_f0(synthesis: _Synthesis, seconds: float) -> None:
    """Tell what the F0 of so much audio will cost, if it is much."""
    from recipes.progress import duration_words
    from vocoders.frontends.f0_config import TRACKER_SECONDS

    vocoder = synthesis.vocoder
    method = synthesis.f0 or vocoder.f0_method_for(synthesis.options) or vocoder.f0_method
    cost = 0.0 if method is None else seconds * TRACKER_SECONDS[method]
    if cost >= _LONG_SECONDS:
        text = "F0 by %s takes about %s of one core; --f0 mel takes %s"
        faster = duration_words(seconds * TRACKER_SECONDS["mel"])
        _logger.info(text, method, duration_words(cost), faster)


def _synthesize_stream(
    items: "Sequence[Input]",
    output: Path,
    synthesis: _Synthesis,
    streaming: StreamOptions,
    pipes: PipeOptions,
    force: bool,
) -> None:
    """Synthesise one input, or standard input, as it comes."""
    from vocoders.core.errors import ConfigError

    how = (synthesis.vocoder, synthesis.options, synthesis.seed, synthesis.resample, streaming, pipes)
    if items and items[0].is_features:
        inputs = native_inputs(synthesis.read(items[0].place), synthesis.vocoder)
        StreamSynthesis(*how).from_features(inputs, output, force)
    elif synthesis.f0 is not None:
        raise ConfigError(f"--f0 {synthesis.f0}: a stream tracks F0 of audio as it comes; leave it out")
    else:
        StreamSynthesis(*how).from_audio(str(items[0].path) if items else PIPE, output, force)


def _measured(jobs: Sequence[Job], synthesis: _Synthesis) -> list[Job]:
    """Return the jobs with the length of each, 0 if unreadable; refuse wrong sample rates before any work."""
    from vocoders.core.audio import audio_info
    from vocoders.core.errors import ConfigError, DataError
    from vocoders.core.feature_files import read_feature_file

    vocoder, lengths, wrong = synthesis.vocoder, [], []
    mel = synthesis.convention.mel if synthesis.convention is not None else vocoder
    for job in jobs:
        try:
            if (place := _feature_place(job)) is not None:
                frames = max(read_feature_file(place).features.shape)
                lengths.append(frames * mel.hop_length / mel.sample_rate)
                continue
            info = audio_info(job.path)
            lengths.append(info.duration * info.channels)
            if info.sample_rate != vocoder.sample_rate:
                wrong.append((job.path, info.sample_rate))
        except DataError:  # reported when its turn comes: the other files can be synthesised
            lengths.append(0.0)
    if wrong and not synthesis.resample:
        path, rate = wrong[0]
        more = f" ({len(wrong)} files)" if len(wrong) > 1 else ""
        raise ConfigError(f"{path}: {rate} Hz audio for a {vocoder.sample_rate} Hz model{more}; pass --resample")
    return [replace(job, seconds=length) for job, length in zip(jobs, lengths, strict=True)]


def _feature_place(job: Job) -> "FeaturePlace | None":
    """Return where the features of a job are; ``None`` if it has audio."""
    from vocoders.core.feature_files import FEATURE_SUFFIXES, FeaturePlace

    is_features = job.offset is not None or job.path.suffix.lower() in FEATURE_SUFFIXES
    return FeaturePlace(job.path, job.offset) if is_features else None


def _work(job: Job, synthesis: _Synthesis, progress: Callable[[float], None]) -> _Report:
    from vocoders.core.audio import write_audio
    from vocoders.core.limiting import limit_peaks

    place = _feature_place(job)
    if synthesis.convention is None and is_long(job, synthesis.vocoder, synthesis.options):
        return _work_in_parts(job, synthesis, place, progress)
    started = time.perf_counter()
    if place is not None:
        audio, computing = _from_features(place, synthesis, progress)
    else:
        audio, computing = _from_audio(job.path, synthesis, progress)
    rate = synthesis.vocoder.sample_rate
    write_audio(job.output, limit_peaks(audio, rate), rate)
    _logger.debug("%s took %.2f s with reading and writing", job.path, time.perf_counter() - started)
    seconds = audio.shape[-1] / rate
    peak = round(float(audio.abs().max()), 6)
    warn_of_peak(job.output, peak)
    return _Report(
        str(place or job.path), str(job.output), seconds, round(computing / seconds, 6), rate, len(audio), peak
    )


def _work_in_parts(
    job: Job, synthesis: _Synthesis, place: "FeaturePlace | None", progress: Callable[[float], None]
) -> _Report:
    vocoder, how = synthesis.vocoder, (synthesis.options, synthesis.seed)
    started = time.perf_counter()
    if place is not None:
        length, channels, peak = synthesize_features(job, synthesis.read(place), vocoder, *how, progress)
    else:
        length, channels, peak = synthesize_audio(job, vocoder, *how, synthesis.f0, progress)
    rate = vocoder.sample_rate
    seconds = length / rate
    rtf = round((time.perf_counter() - started) / seconds, 6)
    return _Report(str(place or job.path), str(job.output), seconds, rtf, rate, channels, peak)


def _from_features(
    place: "FeaturePlace", synthesis: _Synthesis, progress: Callable[[float], None]
) -> "tuple[Tensor, float]":
    """Return audio (1, T) on the CPU, and the time of synthesis in seconds."""
    features = synthesis.read(place)
    started = time.perf_counter()
    how = {"options": synthesis.options, "seed": synthesis.seed, "progress": progress}
    return synthesis.vocoder.synthesize(**features, **how)[0].float().cpu(), time.perf_counter() - started


def _from_audio(path: Path, synthesis: _Synthesis, progress: Callable[[float], None]) -> "tuple[Tensor, float]":
    """Return audio (C, T) on the CPU, and the time of analysis and synthesis in seconds."""
    channels = _read(path, synthesis)
    started = time.perf_counter()
    how = {"options": synthesis.options, "seed": synthesis.seed, "f0_method": synthesis.f0}
    return synthesis.vocoder.copy_channels(channels, progress, **how), time.perf_counter() - started


def _read(path: Path, synthesis: _Synthesis) -> "Tensor":
    from vocoders.core.audio import read_audio
    from vocoders.core.errors import DataError

    wanted, hop_length = synthesis.vocoder.sample_rate, synthesis.vocoder.hop_length
    audio, rate = read_audio(path, wanted if synthesis.resample else None)
    if rate != wanted:
        raise DataError(f"{path}: {rate} Hz audio for a {wanted} Hz model; pass --resample")
    if audio.shape[-1] < hop_length:
        raise DataError(f"{path}: {audio.shape[-1]} samples are less than one frame of {hop_length}; too short")
    if not audio.any():
        _logger.warning("%s is silent", path)
    if len(audio) > 1:
        _logger.info("%s: %d channels, each synthesised on its own", path, len(audio))
    return audio
