"""`ondes mel extract`: features of audio in any convention."""

from pathlib import Path
from typing import Annotated

import typer

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
    import numpy as np

    from recipes.cli.inputs import find_inputs
    from recipes.progress import track
    from vocoders.core.atomic import atomic_file
    from vocoders.core.audio import read_audio
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
        audio, _ = read_audio(item.path, convention.mel.sample_rate, mono=True)
        features = convention.analyze(audio)[0].numpy()
        with atomic_file(target) as path, open(path, "wb") as stream:
            np.save(stream, features)
    typer.echo(f"{output}: features of {len(items)} files; {convention.fingerprint}")
