"""Options with several values in sequence: ``--seconds 1 10`` for ``--seconds 1,10``."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import typer.core

if TYPE_CHECKING:
    from typer._click import Context

__all__ = ["ListKind", "list_command"]

_NUMBER = re.compile(r"[\d.]+([,][\d.]+)*")


class ListKind(StrEnum):
    """Kind of further values after an option, and the form that the parser receives."""

    NAMES = "names joined by commas"
    NUMBERS = "numbers joined by commas"
    REPEATED = "an option of its own for each"


def list_command(options: Mapping[str, ListKind]) -> type[typer.core.TyperCommand]:
    """Return a command class whose named options take several values in sequence.

    The values end at the next option; numbers also end at the first argument that is not a number.
    """

    class _ListCommand(typer.core.TyperCommand):
        def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
            return super().parse_args(ctx, join_values(args, options))

    return _ListCommand


def join_values(arguments: Sequence[str], options: Mapping[str, ListKind]) -> list[str]:
    """Rewrite the values into the form that the parser knows."""
    joined: list[str] = []
    position = 0
    while position < len(arguments):
        name = arguments[position]
        position += 1
        if name == "--":
            return [*joined, *arguments[position - 1 :]]
        kind = options.get(name)
        if kind is None:
            joined.append(name)
            continue
        first = position
        while position < len(arguments) and _belongs(arguments[position], kind, position == first):
            position += 1
        values = list(arguments[first:position])
        if kind is ListKind.REPEATED:
            joined += [part for value in values for part in (name, value)] or [name]
        else:
            joined += [name, ",".join(value.strip(",") for value in values)] if values else [name]
    return joined


def _belongs(value: str, kind: ListKind, is_first: bool) -> bool:
    if value.startswith("-"):
        return False
    return is_first or kind is not ListKind.NUMBERS or _NUMBER.fullmatch(value) is not None
