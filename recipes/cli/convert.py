"""`ondes convert`: from a reference implementation's checkpoint to a model folder."""

import difflib
from pathlib import Path
from typing import Annotated

import typer

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
    config: Annotated[Path | None, typer.Option("--config", help="Configuration, where it is not published.")] = None,
    stats: Annotated[Path | None, typer.Option("--stats", help="Feature statistics (mean and std).")] = None,
    card: Annotated[Path | None, typer.Option("--card", help="Model card; a minimal one by default.")] = None,
    half: Annotated[bool, typer.Option("--half", help="Store the weights in half precision.")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an existing model folder.")] = False,
) -> None:
    """Convert a reference checkpoint; nothing in it is executed."""
    from vocoders.core.errors import ConfigError
    from vocoders.core.text import read_text

    output = output.expanduser()
    if output.exists() and not force:
        raise ConfigError(f"{output} exists already; pass --force to replace it, or choose another output")
    for name, path in (("CKPT", checkpoint), ("--config", config), ("--stats", stats), ("--card", card)):
        if path is not None and not path.is_file():
            raise ConfigError(f"{name}: {path} is {'a folder, not a file' if path.is_dir() else 'missing'}")
    text = read_text(card, "model card") if card is not None else None

    import torch

    from vocoders.registry import FAMILIES

    if family not in FAMILIES:
        near = difflib.get_close_matches(family, FAMILIES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"expected {', '.join(FAMILIES)}"
        raise ConfigError(f"unknown family '{family}'; {hint}")
    model = FAMILIES[family].convert(checkpoint, variant=variant, config=config, stats=stats)
    model.save_pretrained(output, text, dtype=torch.float16 if half else None, overwrite=force)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    typer.echo(f"{output}: {family} with {parameters:,} parameters")
