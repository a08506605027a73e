"""The knobs of an effect as a table."""

import sys
from typing import TYPE_CHECKING

from recipes.cli.printing import cell, say, say_json

if TYPE_CHECKING:
    from effects.knobs import Knob
    from recipes.cli.effect_source import Source

__all__ = ["show_knobs"]

_HEADINGS = ("knob", "unit", "range", "default", "scale")


def show_knobs(source: "Source", as_json: bool) -> None:
    """Print the knobs of ``source``: a table on a terminal, else tab-separated lines, or one JSON object per knob."""
    knobs = source.knobs.knobs
    if as_json:
        for knob in knobs:
            say_json(knob.to_dict())
    elif not knobs:
        say(f"'{source.name}' has no knobs", err=True)
    elif sys.stdout.isatty():
        _show_table(source, [_row(knob) for knob in knobs])
    else:
        for row in [_HEADINGS, *map(_row, knobs)]:
            say("\t".join(row))


def _row(knob: "Knob") -> tuple[str, ...]:
    return knob.name, knob.unit or "-", knob.range_text, knob.format(knob.default), knob.scale


def _show_table(source: "Source", rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    rate = f"{source.model.sample_rate} Hz" if source.model is not None else "any rate"
    table = Table(*_HEADINGS, title=cell(f"{source.name} ({rate})"))
    for row in rows:
        table.add_row(*map(cell, row))
    Console().print(table)
