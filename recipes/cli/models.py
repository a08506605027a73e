"""`ondes models`: the shipped models, those in a folder, and the additions of other packages."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.printing import say, say_json, say_table

if TYPE_CHECKING:
    from vocoders.core.model_source import ShippedModel

__all__ = ["register"]

_logger = logging.getLogger(__name__)

_HEADINGS = ("name", "family", "rate", "parameters", "size", "licence", "description")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("models")(_models)


def _models(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Folder of models and captures to list instead.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a table for a page.")] = False,
    plugins: Annotated[
        bool, typer.Option("--plugins", help="List additions of installed packages instead, with their errors.")
    ] = False,
) -> None:
    """List the models that ship with ondes, or those in and below a folder.

    A folder can contain packed models, and captures: .nam files, and JSON
    files of GuitarML or AIDA-X.

    Example: ondes models --json
    """
    if plugins:
        _show_plugins(as_json)
        return
    found = _find(folder)
    if as_json:
        say_json([vars(model) | {"path": str(model.path)} for model in found], indent=2)
        return
    if as_markdown:
        say(*_markdown([_HEADINGS, *(_row(model) for model in found)]))
    elif not found:
        where = "with this installation" if folder is None else f"in {folder}"
        say(f"no models {where}", err=True)
    else:
        say_table(_HEADINGS, [_row(model) for model in found])


def _find(folder: Path | None) -> "list[ShippedModel]":
    """Return the shipped models, or those below a folder; files that cannot be read are left out with the reason."""
    from effects.captures.outline import describe_capture, find_captures
    from vocoders.core.errors import CheckpointError, ConfigError
    from vocoders.core.folder_search import search_folder
    from vocoders.core.model_source import describe_model, read_model_config, shipped_models

    if folder is None:
        return shipped_models()
    folder = folder.expanduser()
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; expected one with models or captures")
    found: list[ShippedModel] = []
    models = sorted(file.parent for file in search_folder(folder) if file.name == "model.safetensors")
    for path in [*models, *find_captures(folder)]:
        try:
            found.append(describe_model(read_model_config(path)) if path.is_dir() else describe_capture(path))
        except CheckpointError as error:
            _logger.warning("left out: %s", error)
    return found


def _show_plugins(as_json: bool) -> None:
    from recipes.extensions import list_plugins

    found = list_plugins()
    if as_json:
        say_json([vars(plugin) for plugin in found], indent=2)
    elif not found:
        say("no installed package adds anything; CONTRIBUTING.md shows how one does", err=True)
    else:
        rows = [(item.group, item.name, item.package, item.place, item.problem or "ok") for item in found]
        say_table(("group", "name", "package", "place", "state"), rows)


def _row(model: "ShippedModel") -> tuple[str, ...]:
    rate = f"{model.sample_rate} Hz" if model.sample_rate else "any"
    size = f"{model.size_bytes / 1e6:.1f} MB" if model.size_bytes >= 1e5 else f"{model.size_bytes / 1e3:.0f} kB"
    return model.name, model.family, rate, f"{model.num_parameters:,}", size, model.license, model.description


def _markdown(rows: "list[tuple[str, ...]]") -> list[str]:
    """Return the lines of a table for a page, without sizes on the disk."""
    columns = [index for index, heading in enumerate(_HEADINGS) if heading != "size"]
    lines = ["| " + " | ".join(row[index] for index in columns) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(columns), *lines[1:]]
