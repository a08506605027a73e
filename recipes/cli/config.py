"""`ondes config`: what the keys of a training configuration mean, alone or in the file."""

import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.printing import say_json, say_text

if TYPE_CHECKING:
    from recipes.config_help import Key

__all__ = ["register"]

_WIDTH = 100


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(help="Show what the keys of a training configuration mean.", no_args_is_help=True)
    group.command("explain")(_explain)
    group.command("annotate")(_annotate)
    app.add_typer(group, name="config")


def _explain(
    key: Annotated[
        str,
        typer.Argument(
            metavar="[KEY]",
            help="Key (optimizer.learning_rate), section (data, model.mel) or last part (learning_rate).",
            show_default=False,
        ),
    ] = "",
    family: Annotated[
        str | None, typer.Option("--family", help="Show the model of this family alone.", show_default=False)
    ] = None,
    objective: Annotated[
        str | None, typer.Option("--objective", help="Show the options of this objective alone.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Show the meaning, values and default of a key, or of all keys of a section.

    Without KEY, list the sections. Keys stand in the files conf/*.yaml of
    recipes, and on command lines as KEY=VALUE.

    Example: ondes config explain optimizer.learning_rate
    """
    from recipes.config import TrainConfig
    from recipes.config_help import explain

    if key:
        keys = explain(key, family, objective)
    else:
        keys = [found for name in TrainConfig.model_fields for found in explain(name, family, objective)[:1]]
    if as_json:
        say_json([asdict(found) for found in keys], indent=2)
        return
    for text, places in _grouped(keys).items():
        say_text(text.replace("\0", f"  ({', '.join(places)})" if any(places) else ""))


def _annotate(
    file: Annotated[Path, typer.Argument(help="Training configuration in YAML.", show_default=False)],
) -> None:
    """Write a training configuration with the meaning of each key as a comment.

    Comments that are there are kept.

    Example: ondes config annotate conf/train.yaml > annotated.yaml
    """
    from recipes.config_comments import with_comments

    say_text(with_comments(file))


def _grouped(keys: "list[Key]") -> dict[str, list[str]]:
    """Return the text of each key once, with the families or objectives that have it."""
    grouped: dict[str, list[str]] = {}
    for key in keys:
        default = "" if key.default is None else f"; default {key.default}"
        lines = [f"{key.path}\0", *_indented(f"{key.values}{default}"), *_indented(key.meaning)]
        grouped.setdefault("\n".join(lines), []).append(key.where)
    return grouped


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
