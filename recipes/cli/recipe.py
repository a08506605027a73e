"""`ondes recipe`: the recipes that come with ondes, and copies of them to work in."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.printing import say, say_json

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(help="List the recipes that come with ondes, and copy them.", no_args_is_help=True)
    group.command("list")(_list)
    group.command("copy")(_copy)
    app.add_typer(group, name="recipe")


def _list(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """List the recipes.

    Example: ondes recipe list
    """
    from recipes.catalogue import list_recipes

    recipes = list_recipes()
    if as_json:
        found = [{"name": recipe.name, "title": recipe.title, "path": str(recipe.path)} for recipe in recipes]
        say_json(found, indent=2)
        return
    width = max(len(recipe.name) for recipe in recipes)
    for recipe in recipes:
        say(f"{recipe.name:{width}}  {recipe.title}")


def _copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Recipe, such as mini/wavehax.", show_default=False)],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder for recipes; it is made if needed.", show_default=False)
    ],
) -> None:
    """Copy a recipe, and the scripts that recipes share, into a folder of yours.

    Several recipes can be copied into the same folder.

    Example: ondes recipe copy mini/wavehax my_recipes/
    """
    import shlex

    from recipes.catalogue import copy_recipe

    copy = copy_recipe(name, folder.expanduser())
    say(f"{copy}", f"next: cd {shlex.quote(str(copy))} && ./run.sh --help")
