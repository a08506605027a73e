"""Renamed options: the former name still works, with a warning."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer.core

if TYPE_CHECKING:
    from typer._click import Context

__all__ = ["renamed_command"]

_logger = logging.getLogger(__name__)


def renamed_command(names: Mapping[str, str]) -> type[typer.core.TyperCommand]:
    """Return a command class that also accepts former names of options, without showing them in the help.

    Args:
        names: former names and their options, both with dashes.
    """

    class _RenamedCommand(typer.core.TyperCommand):
        def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
            end = args.index("--") if "--" in args else len(args)
            for place, word in enumerate(args[:end]):
                former, separator, value = word.partition("=")
                if former in names:
                    _logger.warning("%s is called %s now", former, names[former])
                    args[place] = names[former] + separator + value
            return super().parse_args(ctx, args)

    return _RenamedCommand
