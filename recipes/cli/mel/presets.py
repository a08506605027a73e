"""`ondes mel list` and `ondes mel show`: the conventions that ondes knows."""

from typing import Annotated

import typer

from recipes.cli.printing import say, say_json, say_text

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("list")(_list)
    app.command("show")(_show)


def _list(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per convention.")] = False,
) -> None:
    """List the mel conventions that --mel takes by name.

    Example: ondes mel list
    """
    from vocoders.frontends.convention_presets import CONVENTION_USERS, MEL_CONVENTIONS

    for name, convention in MEL_CONVENTIONS.items():
        if as_json:
            facts = {"name": name, "used_by": CONVENTION_USERS[name], "fingerprint": convention.fingerprint}
            say_json(facts)
        else:
            say(f"{name}: {CONVENTION_USERS[name]}", f"    {convention.fingerprint}")


def _show(
    convention: Annotated[str, typer.Argument(metavar="PRESET|YAML", help="Convention.", show_default=False)],
) -> None:
    """Show a convention as YAML, as the start of a file of your own.

    Example: ondes mel show hifigan_22k > mine.yaml
    """
    from vocoders.frontends.convention_presets import find_convention

    say_text(find_convention(convention).to_yaml())
