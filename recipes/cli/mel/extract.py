"""`ondes mel extract`: features of audio in any convention."""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.batch import Job, Progress, Report, Work, audio_jobs, run_jobs
from recipes.cli.batch_options import BatchOptions
from recipes.cli.option_group import with_option_groups
from recipes.cli.printing import say

if TYPE_CHECKING:
    from vocoders.frontends.mel_convention import MelConvention

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("extract")(with_option_groups(_extract))


def _extract(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="AUDIO", help="Files, a folder, a quoted pattern or a wav.scp.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.", show_default=False)],
    mel: Annotated[
        str, typer.Option("--mel", metavar="PRESET|YAML", help="Convention of the features.", show_default=False)
    ],
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace existing files.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON line per file.")] = False,
    many: BatchOptions,
) -> None:
    """Extract mel features of audio as .npy, in the convention of any program.

    Audio is converted to the sample rate of the convention, and channels are
    averaged. Sub-folders are kept.

    Example: ondes mel extract recordings/ -o feats/ --mel hifigan_22k
    """
    from recipes.cli.inputs import find_inputs
    from recipes.cli.outputs import plan_outputs
    from vocoders.core.errors import DataError
    from vocoders.frontends.convention_presets import find_convention

    convention = find_convention(mel)
    items = [item for item in find_inputs(inputs) if not item.is_features]
    if not items:
        raise DataError(f"{inputs[0]} is no audio, but features; pass recordings")
    outputs = plan_outputs(items, output.expanduser(), force or many.skip_existing, ".npy", share=many.place())
    jobs = audio_jobs(items, outputs, many)
    run_jobs(jobs, Work("mels", _write, partial(find_convention, mel), convention), json_lines, many.nj)
    if not json_lines:
        say(f"{output}: features of {len(jobs)} files; {convention.fingerprint}")


def _write(job: Job, convention: "MelConvention", progress: Progress) -> Report:
    """Write the features of a file, of which only some minutes are in memory."""
    from recipes.data.kaldi import Utterance
    from recipes.data.mels import analyze_parts
    from recipes.data.samples import UtteranceSamples
    from vocoders.core.atomic import atomic_file
    from vocoders.core.errors import DataError
    from vocoders.core.numpy_files import write_npy_in_parts

    started, mel = time.perf_counter(), convention.mel
    samples = UtteranceSamples(Utterance("", job.path, ""), mel.sample_rate, resample=True)
    if samples.length < mel.hop_length:
        raise DataError(f"{job.path}: {samples.length} samples at {mel.sample_rate} Hz are less than one frame")
    by_bands = convention.model_copy(update={"layout": "bands_first"})
    parts = (part.numpy() for part in analyze_parts(samples, samples.length, mel, by_bands.analyze))
    with atomic_file(job.output) as path:
        frames_first = convention.layout == "frames_first"
        write_npy_in_parts(path, mel.n_mels, samples.length // mel.hop_length, parts, frames_first)
    seconds = samples.length / mel.sample_rate
    rtf = round((time.perf_counter() - started) / seconds, 6)
    return Report(str(job.path), str(job.output), seconds, rtf)
