"""`ondes synth`: audio or features in, synthesised audio out."""

import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from torch import Tensor

    from recipes.cli.inputs import Input

__all__ = ["register", "resolve_system"]

_logger = logging.getLogger(__name__)

# Runs of less audio than this, in one file, end before a progress bar would tell anything.
_LONG_SECONDS = 30.0
# As in recipes.metrics.baselines, which is heavy to import.
_BASELINES = ("griffin-lim", "world")


@dataclass(frozen=True)
class _Report:
    """One line of ``--json``; ``seconds`` is the length of the audio, ``rtf`` computing time over that length."""

    path: str
    output: str
    seconds: float
    rtf: float
    sample_rate: int
    channels: int
    peak: float


@dataclass(frozen=True)
class _Settings:
    seed: int
    resample: bool
    options: dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("synth")(_synth)


def _synth(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS",
            help="Audio (wav, flac, ogg, mp3 ...), a folder, a quoted pattern, a wav.scp, or features (.npy, .npz).",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR|FILE", help="Folder, or file for one input.", show_default=False),
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Shipped name, folder, hub id, or a baseline: griffin-lim, world."),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ... or auto.")] = "auto",
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal audio.")] = 0,
    f0_scale: Annotated[float, typer.Option("--f0-scale", help="Factor on the pitch, for models that take F0.")] = 1.0,
    steps: Annotated[
        str | None,
        typer.Option("--steps", metavar="N[,N...]", help="Solver steps of a flow model, or of each of its bands."),
    ] = None,
    solver: Annotated[str | None, typer.Option("--solver", help="euler, midpoint, heun or rk4.")] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Factor on the noise.")] = None,
    freeu: Annotated[
        str | None, typer.Option("--freeu", metavar="B,S", help="Factors on backbone and skips, such as 1.1,0.9.")
    ] = None,
    refinement: Annotated[
        int | None,
        typer.Option("--refinement", min=0, help="Iterations that bring the output nearer to its mel; 0: none."),
    ] = None,
    chunk_seconds: Annotated[
        float | None, typer.Option("--chunk-seconds", help="Synthesise independent chunks, for hours of audio.")
    ] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="Convert audio of another rate; the output has the model's.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace existing output files.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON line per file.")] = False,
) -> None:
    """Synthesise audio from audio (copy-synthesis) or features.

    The output has the model's sample rate, and the duration and channels
    of the input; each channel is synthesised on its own. A folder's
    sub-folders are kept. Baselines need no training: griffin-lim (or
    griffin-lim:MODEL for the mel of a model), and world (or world:48000).
    """
    from recipes.cli.inputs import find_inputs
    from recipes.cli.outputs import plan_outputs

    if not 0 < f0_scale < float("inf"):
        raise typer.BadParameter(f"{f0_scale:g} is not a positive number", param_hint="--f0-scale")
    changes = {"steps": _steps(steps), "solver": solver, "temperature": temperature, "freeu": _factors(freeu)}
    items = find_inputs(inputs)
    outputs = plan_outputs(items, output.expanduser(), force)
    system = resolve_system(model, device)
    options = _f0_options(system, f0_scale) | _refinement_options(system, refinement, changes)
    options |= _sampling_options(system, changes, chunk_seconds)
    lengths = _measure(items, system, resample)
    failed = _run(items, outputs, system, _Settings(seed, resample, options), lengths, json_lines)
    if failed:
        typer.echo(f"{failed} of {len(items)} files failed", err=True)
        raise typer.Exit(1)


def resolve_system(name: str | None, device: str) -> Any:
    """Return what synthesises: an object with ``sample_rate``, ``hop_length``, ``analyze`` and ``synthesize``.

    Args:
        name: shipped name, folder or hub id, or a baseline; ``None`` takes the default vocoder.
        device: name of a device, or ``auto``.

    Raises:
        CheckpointError: if there is no such model.
        ConfigError: if none was named and there is no default, or it is no vocoder, or there is no such device.
    """
    from vocoders.core.device import resolve_device
    from vocoders.core.errors import ConfigError
    from vocoders.core.model_source import shipped_models
    from vocoders.registry import DEFAULT_VOCODER, FAMILIES, load

    if name is not None and name.partition(":")[0] in _BASELINES:
        return _baseline(name, device)
    if name is None:
        names = [found.name for found in shipped_models() if found.family in FAMILIES]
        if DEFAULT_VOCODER not in names and len(names) != 1:
            raise ConfigError(f"no model given; pass --model ({', '.join(names) or 'no model ships with ondes'})")
        name = DEFAULT_VOCODER if DEFAULT_VOCODER in names else names[0]
    system = load(name, device=resolve_device(device))
    if not hasattr(system, "analyze") or not hasattr(system, "synthesize"):
        raise ConfigError(f"'{name}' is no vocoder; see 'ondes models'")
    return system


def _baseline(name: str, device: str) -> Any:
    from recipes.metrics.baselines import create_baseline
    from vocoders.core.errors import ConfigError
    from vocoders.registry import load

    if device not in ("auto", "cpu"):
        raise ConfigError(f"--device {device}: {name} runs on the CPU; leave out --device")

    def find_mel(model: str) -> Any:
        mel = getattr(load(model).config, "mel", None)
        if mel is None:
            raise ConfigError(f"'{name}': the model '{model}' has no mel for Griffin-Lim to start from")
        return mel

    return create_baseline(name, find_mel)


def _f0_options(system: Any, f0_scale: float) -> dict[str, Any]:
    from vocoders.core.errors import ConfigError

    if f0_scale == 1.0:
        return {}
    if not getattr(system, "uses_f0", False):
        raise ConfigError(f"--f0-scale {f0_scale:g}: this model takes no F0; use a model with a harmonic prior")
    return {"f0_scale": f0_scale}


def _refinement_options(system: Any, refinement: int | None, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the option of a model that takes one; of a flow model it is a part of the sampling, in ``changes``."""
    from vocoders.core.errors import ConfigError

    if refinement is None:
        return {}
    if not hasattr(system, "mel_consistency"):
        raise ConfigError(
            f"--refinement {refinement}: this system does not refine its output; use a vocoder with a mel"
        )
    if getattr(system, "uses_sampling", False):
        changes["mel_refinement"] = refinement
        return {}
    return {"refinement": refinement}


def _factors(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        backbone, skip = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"'{text}'; expected two numbers such as 1.1,0.9", param_hint="--freeu") from None
    return [backbone, skip]


def _steps(text: str | None) -> int | list[int] | None:
    if text is None:
        return None
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        problem = f"'{text}'; expected a number, or several such as 16,4,1,1"
        raise typer.BadParameter(problem, param_hint="--steps") from None
    return numbers if len(numbers) > 1 else numbers[0]


def _sampling_options(system: Any, changes: dict[str, Any], chunk_seconds: float | None) -> dict[str, Any]:
    """Return the model's own sampling with ``changes``; what is None stays as the model has it."""
    from vocoders.core.errors import ConfigError

    changes = {name: value for name, value in changes.items() if value is not None}
    if not getattr(system, "uses_sampling", False):
        given = [*changes, *(["chunk-seconds"] if chunk_seconds is not None else [])]
        if given:
            raise ConfigError(f"--{given[0]}: this model draws no samples step by step; use a model of flow matching")
        return {}
    options: dict[str, Any] = {} if chunk_seconds is None else {"chunk_seconds": chunk_seconds}
    if changes:
        sampling = system.config.sampling
        if isinstance(changes.get("steps"), list):
            if not hasattr(sampling, "band_steps"):
                raise ConfigError("--steps: this model has one band; give one number")
            changes |= {"band_steps": changes["steps"], "steps": None}
        options["sampling"] = sampling = type(sampling).from_dict(sampling.to_dict() | changes, "sampling")
        if hasattr(sampling, "steps_of_bands"):
            sampling.steps_of_bands(system.config.num_bands)
    return options


def _measure(items: "Sequence[Input]", system: Any, resample: bool) -> list[float]:
    """Return the length of each input in seconds of synthesis, 0 if unreadable; refuse wrong rates before any work."""
    from recipes.cli.inputs import read_features
    from vocoders.core.audio import audio_info
    from vocoders.core.errors import ConfigError, DataError

    lengths, wrong = [], []
    for item in items:
        try:
            if item.is_features:
                frames = read_features(item.path).features.shape[-1]
                lengths.append(frames * system.hop_length / system.sample_rate)
                continue
            info = audio_info(item.path)
            lengths.append(info.duration * info.channels)
            if info.sample_rate != system.sample_rate:
                wrong.append((item.path, info.sample_rate))
        except DataError:  # told when its turn comes: the other files are worth synthesising
            lengths.append(0.0)
    if wrong and not resample:
        path, rate = wrong[0]
        more = f" ({len(wrong)} files)" if len(wrong) > 1 else ""
        raise ConfigError(f"{path}: {rate} Hz audio for a {system.sample_rate} Hz model{more}; pass --resample")
    return lengths


def _run(
    items: "Sequence[Input]",
    outputs: Sequence[Path],
    system: Any,
    settings: _Settings,
    lengths: Sequence[float],
    json_lines: bool,
) -> int:
    """Synthesise everything, whatever becomes of single files; return how many failed."""
    from recipes.cli.interruption import prompt_interruption
    from recipes.progress import gauge

    shown = len(items) > 1 or sum(lengths) > _LONG_SECONDS
    level = logging.DEBUG if shown and sys.stderr.isatty() else logging.INFO
    failed = done = 0
    finished = 0.0
    try:
        with prompt_interruption(), gauge("synthesis", sum(lengths), "x real time", shown) as advance:
            for item, output, length in zip(items, outputs, lengths, strict=True):
                problem, report = _try(item, output, system, settings, _part(advance, finished, length))
                finished += length
                advance(finished)
                done += 1
                if report is None:
                    failed += 1
                    typer.echo(f"error: {problem}", err=True)
                else:
                    _logger.log(level, "%s -> %s: %.2f s, RTF %.3f", item.path, output, report.seconds, report.rtf)
                if json_lines:
                    line = asdict(report) if report else {"path": str(item.path), "error": problem}
                    typer.echo(json.dumps(line, ensure_ascii=False))
    except KeyboardInterrupt:
        typer.echo(f"interrupted; {done - failed} of {len(items)} files are finished", err=True)
        raise
    return failed


def _part(advance: Callable[[float], None], finished: float, length: float) -> Callable[[float], None]:
    return lambda fraction: advance(finished + fraction * length)


def _try(
    item: "Input", output: Path, system: Any, settings: _Settings, progress: Callable[[float], None]
) -> tuple[str, _Report | None]:
    """Synthesise one file; return what went wrong, or the report."""
    from vocoders.core.audio import write_audio
    from vocoders.core.errors import OndesError

    try:
        started = time.perf_counter()
        audio, computing = _synthesise(item, system, settings, progress)
        write_audio(output, audio, system.sample_rate)
        _logger.debug("%s took %.2f s with reading and writing", item.path, time.perf_counter() - started)
    except OndesError as error:
        known = str(error)
        return known if str(item.path) in known else f"{item.path}: {known}", None
    except Exception as error:  # one file must not take the others along
        _logger.debug("%s", item.path, exc_info=True)
        reason = (str(error).strip() or "no message").splitlines()[0]
        return f"{item.path}: {type(error).__name__}: {reason} (-v shows where)", None
    seconds = audio.shape[-1] / system.sample_rate
    peak = round(float(audio.abs().max()), 6)
    rtf = round(computing / seconds, 6)
    return "", _Report(str(item.path), str(output), seconds, rtf, system.sample_rate, len(audio), peak)


def _synthesise(
    item: "Input", system: Any, settings: _Settings, progress: Callable[[float], None]
) -> "tuple[Tensor, float]":
    """Return audio (C, T) on the CPU and the seconds that analysis and synthesis took."""
    import torch

    options = {"seed": settings.seed, **settings.options}
    if item.is_features:
        features = _checked_features(item.path, system)
        started = time.perf_counter()
        audio = system.synthesize(**features, **options, progress=progress)[0].float().cpu()
        return audio, time.perf_counter() - started
    channels = _read(item.path, system, settings.resample)
    started = time.perf_counter()
    synthesised = []
    for index, channel in enumerate(channels):
        part = _part(progress, index / len(channels), 1 / len(channels))
        # Whole frames: the last one is completed with silence, which is cut off again afterwards.
        padded = torch.nn.functional.pad(channel, (0, -len(channel) % system.hop_length))
        analysis = system.analyze(padded[None, None])
        audio = system.synthesize(**analysis, **options, progress=part)[0, :, : len(channel)]
        synthesised.append(audio.float().cpu())
    return torch.cat(synthesised), time.perf_counter() - started


def _read(path: Path, system: Any, resample: bool) -> "Tensor":
    from vocoders.core.audio import read_audio
    from vocoders.core.errors import DataError

    audio, rate = read_audio(path, system.sample_rate if resample else None)
    if rate != system.sample_rate:
        raise DataError(f"{path}: {rate} Hz audio for a {system.sample_rate} Hz model; pass --resample")
    if audio.shape[-1] < system.hop_length:
        raise DataError(f"{path}: {audio.shape[-1]} samples are less than one frame of {system.hop_length}; too short")
    if not audio.any():
        _logger.warning("%s is silent", path)
    if len(audio) > 1:
        _logger.info("%s: %d channels, each synthesised on its own", path, len(audio))
    return audio


def _checked_features(path: Path, system: Any) -> "dict[str, Tensor]":
    from recipes.cli.inputs import read_features
    from vocoders.core.errors import DataError

    found = read_features(path)
    if found.fingerprint is not None and found.fingerprint != system.fingerprint:
        raise DataError(
            f"{path} comes from another front end:\n  file:  {found.fingerprint}\n  model: {system.fingerprint}"
        )
    if not getattr(system, "uses_f0", False):
        return {"features": found.features[None]}
    if found.f0 is None:
        raise DataError(f"{path} holds no F0, which this model needs; give an .npz with 'features' and 'f0'")
    return {"features": found.features[None], "f0": found.f0[None, None]}
