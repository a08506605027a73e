"""`ondes models`: what ships with this installation."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vocoders.core.model_source import ShippedModel

__all__ = ["register"]

_HEADINGS = ("name", "family", "rate", "parameters", "size", "licence", "description")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("models")(_models)


def _models(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """List the models that ship with ondes."""
    from vocoders.core.model_source import shipped_models

    found = shipped_models()
    if as_json:
        typer.echo(json.dumps([vars(model) | {"path": str(model.path)} for model in found], indent=2))
        return
    if not found:
        typer.echo("no models ship with this installation", err=True)
    elif sys.stdout.isatty():
        _show_table([_row(model) for model in found])
    else:
        for row in [_HEADINGS, *map(_row, found)]:
            typer.echo("\t".join(row))


def _row(model: "ShippedModel") -> tuple[str, ...]:
    rate = f"{model.sample_rate} Hz" if model.sample_rate else "any"
    size = f"{model.size_bytes / 1e6:.1f} MB"
    return model.name, model.family, rate, f"{model.num_parameters:,}", size, model.license, model.description


def _show_table(rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*_HEADINGS)
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
