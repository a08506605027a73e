"""The option for the checkpoint of a training run."""

from typing import Annotated

import typer

__all__ = ["CheckpointOption"]

#: For use with the default ``"last"``.
CheckpointOption = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        metavar="best|last|STEP|FILE",
        help="Checkpoint of the run: best in validation, last, a step, or a file.",
    ),
]
