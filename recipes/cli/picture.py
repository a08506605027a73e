"""`ondes picture`: spectrograms of audio files in one picture."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.printing import say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("picture")(_picture)


def _picture(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Audio files with the same sample rate.")],
    out: Annotated[Path, typer.Option("--output", "-o", help="PNG file to write.", show_default=False)],
) -> None:
    """Draw the spectrograms of files below each other, with one colour scale.

    Example: ondes picture recorded.wav copy.wav -o both.png
    """
    from recipes.pictures import spectrogram_picture
    from vocoders.core.audio import read_audio
    from vocoders.core.errors import DataError

    signals, rates = {}, set()
    for path in files:
        audio, rate = read_audio(path, mono=True)
        signals[str(path.parent.name + "/" + path.stem)] = audio
        rates.add(rate)
    if len(rates) != 1:
        raise DataError(f"files of {', '.join(map(str, sorted(rates)))} Hz; expected one sample rate in a picture")
    spectrogram_picture(signals, rates.pop(), out)
    say(f"{out}: {len(signals)} spectrograms")
