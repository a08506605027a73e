"""`ondes evaluate likelihood`: bits per sample of a training run and of simple models of the same codes."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.checkpoint_option import CheckpointOption
from recipes.cli.evaluate.outputs import Outputs, SeedOption
from recipes.cli.option_group import with_option_groups
from recipes.cli.threads_option import ThreadsOption

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("likelihood")(with_option_groups(_likelihood))


def _likelihood(
    exp: Annotated[Path, typer.Option("--exp", help="Folder of a training run.", show_default=False)],
    data: Annotated[Path, typer.Option("--data", help="Data directory to measure.", show_default=False)],
    train: Annotated[
        Path | None,
        typer.Option("--train", help="Data directory for simple models; default: that of the run."),
    ] = None,
    checkpoint: CheckpointOption = "last",
    name: Annotated[str | None, typer.Option("--name", help="Name of the row; default: the family.")] = None,
    pieces: Annotated[
        int, typer.Option("--pieces", min=0, help="Cut utterances into pieces of this many samples; 0: whole.")
    ] = 0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Utterances per batch; more are faster on a GPU.")] = 1,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ... or auto.")] = "auto",
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    *,
    outputs: Outputs,
) -> None:
    """Measure the bits per sample of recordings under a model of codes.

    More rows show a histogram and a first-order Markov chain of the codes in
    the training data. The table shows means over utterances; means over all
    samples are below it.

    Example: ondes evaluate likelihood --exp exp/piano --data data/test
    """
    from recipes.likelihood_evaluation import evaluate_likelihood, likelihood_notes

    result = evaluate_likelihood(
        exp,
        data,
        train,
        checkpoint=checkpoint,
        name=name,
        piece_length=pieces or None,
        batch_size=batch,
        device=device,
        seed=seed,
    )
    outputs.present(result, likelihood_notes(result))
