"""`ondes convert`: a checkpoint of a reference implementation becomes a model folder."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.printing import say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("convert")(_convert)


def _convert(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="Checkpoint of the reference implementation.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.", show_default=False)],
    family: Annotated[str, typer.Option("--family", help="Family of the model.", show_default=False)],
    variant: Annotated[str | None, typer.Option("--variant", help="Published variant, such as v1.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration, for a variant that is not published.")
    ] = None,
    stats: Annotated[
        Path | None, typer.Option("--stats", help="Statistics of the training features: joblib, .npz, .npy, .json.")
    ] = None,
    no_stats: Annotated[
        bool, typer.Option("--no-stats", help="Use mean 0 and deviation 1: features are already normalised.")
    ] = False,
    card: Annotated[Path | None, typer.Option("--card", help="Model card; a minimal one by default.")] = None,
    half: Annotated[bool, typer.Option("--half", help="Store the weights in half precision.")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an existing model folder.")] = False,
) -> None:
    """Convert a reference checkpoint without executing code from it.

    Example: ondes convert generator.pt --family periodwave --variant base -o base/
    """
    from vocoders.core.errors import ConfigError
    from vocoders.core.model_advice import advise_on_path
    from vocoders.core.model_source import MODEL_FILES, is_model_folder
    from vocoders.core.text import read_text

    output = output.expanduser()
    if output.exists() and not force:
        raise ConfigError(f"{output} exists already; pass --force to replace it, or choose another output")
    folder = checkpoint.parent if checkpoint.name in MODEL_FILES else checkpoint
    if is_model_folder(folder):
        raise ConfigError(f"CKPT: {checkpoint} is a model of ondes already; there is nothing to convert")
    if checkpoint.is_dir():
        raise ConfigError(f"CKPT: {checkpoint} is a folder, not a file; {advise_on_path(checkpoint)}")
    for name, path in (("CKPT", checkpoint), ("--config", config), ("--stats", stats), ("--card", card)):
        if path is not None and not path.is_file():
            raise ConfigError(f"{name}: {path} is {'a folder, not a file' if path.is_dir() else 'missing'}")
    if stats is not None and no_stats:
        raise ConfigError(f"--stats {stats} and --no-stats: give one of the two")
    text = read_text(card, "model card") if card is not None else None

    import torch

    from recipes.families import find_family, running
    from vocoders.core.statistics_file import IDENTITY

    found = find_family(family)
    if no_stats and not found.needs_statistics:
        raise ConfigError(f"--no-stats: models of {family} take features as they are; leave it out")
    chosen = IDENTITY if no_stats else stats
    with running(family):
        model = found.convert(checkpoint, variant=variant, config=config, stats=chosen)
    model.save_pretrained(output, text, dtype=torch.float16 if half else None, overwrite=force)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    say(f"{output}: {family} with {parameters:,} parameters")
