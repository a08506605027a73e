"""`ondes mel`: conventions of mel features, one subcommand each."""

import typer

from recipes.cli.mel import compare, envelope, extract, presets

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command group to ``app``."""
    group = typer.Typer(help="Show, extract and compare mel features of any program.")
    for part in (presets, extract, compare, envelope):
        part.register(group)
    app.add_typer(group, name="mel")
