"""`ondes evaluate`: one subcommand per kind of measurement."""

import typer

from recipes.cli.evaluate import audio, effect, likelihood, pairs
from recipes.cli.evaluate.former import FormerGroup, register_former

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command group to ``app``."""
    group = typer.Typer(cls=FormerGroup, help="Measure systems: their audio, their likelihood, their effects.")
    for part in (audio, likelihood, effect, pairs):
        part.register(group)
    app.add_typer(group, name="evaluate")
    register_former(app)
