"""What commands print. Names and texts of any origin cannot control a terminal: control characters are escaped."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer

from vocoders.core.errors import escaped

__all__ = ["cell", "say", "say_json", "say_table", "say_text"]


def say(*lines: str, err: bool = False) -> None:
    """Print lines on standard output, or on standard error; an end of a line within one is escaped too."""
    typer.echo("\n".join(escaped(line, kept="\t") for line in lines), err=err)


def say_text(text: str) -> None:
    """Print a text of several lines, with or without an end of the last one."""
    say(*text.removesuffix("\n").split("\n"))


def say_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON, on one line where there is no ``indent``."""
    typer.echo(escaped(json.dumps(value, ensure_ascii=False, indent=indent), kept="\n", form="\\u{:04x}"))


def say_table(headings: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """Print a table: drawn on a terminal, with its title; tab-separated in a pipe."""
    if not sys.stdout.isatty():
        say(*("\t".join(row) for row in [headings, *rows]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*headings, title=title and cell(title))
    for row in rows:
        table.add_row(*map(cell, row))
    Console().print(table)


def cell(text: str) -> str:
    """Return a text as a cell of a table that rich draws."""
    from rich.markup import escape

    return escape(escaped(text))
