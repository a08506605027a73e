"""Command lines of former versions: one line gives the new form."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
import typer.core

from vocoders.core.errors import ConfigError

if TYPE_CHECKING:
    from typer._click import Context

__all__ = ["FormerGroup", "register_former"]

# Options of each subcommand, the distinctive ones first.
_SIGNS = {"--effect": "effect", "--exp": "likelihood", "--ref": "audio", "--gen": "audio"}


class FormerGroup(typer.core.TyperGroup):
    """A group that knows the options of `ondes evaluate` from before its subcommands."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises:
            ConfigError: if they begin with an option that now belongs to a subcommand.
        """
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            _refuse("ondes evaluate", _modern(args))
        return super().parse_args(ctx, args)


def register_former(app: typer.Typer) -> None:
    """Add removed commands to ``app``, hidden; each gives the new form."""
    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command("likelihood", hidden=True, add_help_option=False, context_settings=settings)(_likelihood)


def _likelihood(context: typer.Context) -> None:
    """Give the new name of `ondes likelihood`."""
    _refuse("ondes likelihood", ["likelihood", *context.args])


def _refuse(former: str, words: Sequence[str]) -> None:
    line = shlex.join(["ondes", "evaluate", *words])
    raise ConfigError(f"'{former}' has changed; type: {line}")


def _modern(arguments: Sequence[str]) -> list[str]:
    """Return a subcommand and its arguments for former arguments of `ondes evaluate`."""
    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith("--") else [word])]
    kind = next((kind for sign, kind in _SIGNS.items() if sign in words), None)
    if kind is None:
        raise ConfigError(
            f"'ondes evaluate {arguments[0]}': say first what to measure: audio, likelihood, effect or pairs; "
            "see 'ondes evaluate --help'"
        )
    if kind != "effect":
        return [kind, *words]
    models, others = [], []
    for before, word in zip(["", *words], words, strict=False):
        if before == "--effect":
            models.append(word)
        elif word != "--effect":
            others.append(word)
    if "--pairs" not in others:
        return [kind, *models, *others]
    return ["pairs", *models, *("--data" if word == "--pairs" else word for word in others)]
