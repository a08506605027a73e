"""The knobs of an effect as a table."""

from typing import TYPE_CHECKING

from recipes.cli.printing import say, say_json, say_table

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
    else:
        rate = f"{source.model.sample_rate} Hz" if source.model is not None else "any rate"
        say_table(_HEADINGS, [_row(knob) for knob in knobs], f"{source.name} ({rate})")


def _row(knob: "Knob") -> tuple[str, ...]:
    return knob.name, knob.unit or "-", knob.range_text, knob.format(knob.default), knob.scale
