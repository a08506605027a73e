"""`ondes mel`: conventions of mel features, one subcommand each."""

import typer

from recipes.cli.mel import compare, envelope, extract, presets

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command group to ``app``."""
    group = typer.Typer(help="Features of other programs: their conventions, comparisons, extraction.")
    for part in (presets, extract, compare, envelope):
        part.register(group)
    app.add_typer(group, name="mel")
