"""`ondes mel extract`: features of audio in any convention."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vocoders.frontends.mel_convention import MelConvention

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("extract")(_extract)


def _extract(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="AUDIO", help="Files, a folder, a quoted pattern or a wav.scp.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.", show_default=False)],
    mel: Annotated[
        str, typer.Option("--mel", metavar="PRESET|YAML", help="Convention of the features.", show_default=False)
    ],
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace existing files.")] = False,
) -> None:
    """Extract mel features of audio as .npy, in the convention of any program.

    Audio is converted to the sample rate of the convention, and channels are
    averaged.

    Example: ondes mel extract recordings/ -o feats/ --mel hifigan_22k
    """
    from recipes.cli.inputs import find_inputs
    from recipes.progress import track
    from vocoders.core.errors import ConfigError, DataError
    from vocoders.frontends.convention_presets import find_convention

    convention = find_convention(mel)
    items = [item for item in find_inputs(inputs) if not item.is_features]
    if not items:
        raise DataError(f"{inputs[0]} is no audio, but features; pass recordings")
    targets = [output.expanduser() / f"{item.name}.npy" for item in items]
    if not force and (existing := [path for path in targets if path.exists()]):
        raise ConfigError(f"{existing[0]} exists already; pass --force to replace it")
    for item, target in track(list(zip(items, targets, strict=True)), "extracting", len(items)):
        _write(item.path, target, convention)
    typer.echo(f"{output}: features of {len(items)} files; {convention.fingerprint}")


def _write(audio: Path, target: Path, convention: "MelConvention") -> None:
    """Write the features of a file, of which only some minutes are in memory."""
    from recipes.data.kaldi import Utterance
    from recipes.data.mels import analyze_parts
    from recipes.data.samples import UtteranceSamples
    from vocoders.core.atomic import atomic_file
    from vocoders.core.errors import DataError
    from vocoders.core.numpy_files import write_npy_in_parts

    mel = convention.mel
    samples = UtteranceSamples(Utterance("", audio, ""), mel.sample_rate, resample=True)
    if samples.length < mel.hop_length:
        raise DataError(f"{audio}: {samples.length} samples at {mel.sample_rate} Hz are less than one frame")
    by_bands = convention.model_copy(update={"layout": "bands_first"})
    parts = (part.numpy() for part in analyze_parts(samples, samples.length, mel, by_bands.analyze))
    with atomic_file(target) as path:
        frames_first = convention.layout == "frames_first"
        write_npy_in_parts(path, mel.n_mels, samples.length // mel.hop_length, parts, frames_first)
