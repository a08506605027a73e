"""Options for playing captures, which are files of other programs."""

from dataclasses import dataclass
from typing import Annotated

import typer

__all__ = ["CaptureOptions"]


@dataclass(frozen=True)
class CaptureOptions:
    """Size and levels of a capture."""

    slim: Annotated[
        float | None,
        typer.Option(
            "--slim", min=0, max=1, help="Size of a .nam file with several, 0 (smallest) to 1.", show_default=False
        ),
    ] = None
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Make captures equally loud, by the loudness in their files.")
    ] = False
    calibrate: Annotated[
        float | None,
        typer.Option(
            "--calibrate",
            metavar="DBU",
            help="Play a capture at its device's levels; DBU: your interface's level at full scale.",
            show_default=False,
        ),
    ] = None
