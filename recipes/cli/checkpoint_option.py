"""The option that says which checkpoint of a training run a command takes."""

from typing import Annotated

import typer

__all__ = ["CheckpointOption"]

#: To be used with the default ``"last"``.
CheckpointOption = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        metavar="best|last|STEP|FILE",
        help="Checkpoint of the run: the best in validation, the latest, that of a step, or a file.",
    ),
]
