"""`ondes pack`: turn a training run into a model folder for inference."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.checkpoint_option import CheckpointOption
from recipes.cli.printing import say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("pack")(_pack)


def _pack(
    sampling: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Changes of default options, such as model.sampling.temperature=0.9.",
            show_default=False,
        ),
    ] = None,
    *,
    exp: Annotated[Path, typer.Option("--exp", help="Folder of a training run.", show_default=False)],
    out: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.", show_default=False)],
    checkpoint: CheckpointOption = "last",
    card: Annotated[
        Path | None, typer.Option("--card", help="Model card (Markdown with front matter); default: a minimal one.")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store weights in half precision.")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an existing model folder.")] = False,
) -> None:
    """Pack a training run into a model folder, for --model of other commands.

    It contains config.json, model.safetensors, the card and a stored
    reference.

    Example: ondes pack --exp exp/a -o my-vocoder/ --checkpoint best
    """
    import torch

    from recipes.build import restore_generator
    from vocoders.core.errors import ConfigError
    from vocoders.core.text import read_text

    if card is not None and not card.is_file():
        raise ConfigError(f"{card}: no such model card")
    trained = restore_generator(exp, checkpoint, sampling or ())
    text = read_text(card, "model card") if card is not None else None
    trained.model.save_pretrained(out, text, torch.float16 if half else None, overwrite=force)
    size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
    say(f"{out}: {trained.config.family} at step {trained.step}, {size:.2f} MB")
