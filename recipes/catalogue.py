"""The recipes that come with ondes: where they are, and copies of them to work in."""

import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from vocoders.core.atomic import atomic_file, atomic_folder
from vocoders.core.errors import ConfigError
from vocoders.core.plugins import unknown_name

__all__ = ["Recipe", "copy_recipe", "list_recipes", "recipes_folder"]

# What recipes share, beside them.
_SHARED = "utils"
# What a run of a recipe leaves in its folder.
_MADE = ("data", "exp", "dump", "downloads", "__pycache__")


@dataclass(frozen=True)
class Recipe:
    """A recipe.

    Attributes:
        name: its folder, such as ``mini/wavehax``.
        title: first sentence of its ``run.sh``.
        path: its folder.
    """

    name: str
    title: str
    path: Path


def recipes_folder() -> Path:
    """Return the folder of recipes: of the installation, or of a checkout."""
    installed = Path(__file__).with_name("egs")
    return installed if installed.is_dir() else Path(__file__).resolve().parents[1] / "egs"


def list_recipes() -> list[Recipe]:
    """Return the recipes in the order of their names."""
    folder = recipes_folder()
    scripts = sorted(folder.glob("*/*/run.sh"))
    return [Recipe(str(script.parent.relative_to(folder)), _title(script), script.parent) for script in scripts]


def _title(script: Path) -> str:
    lines = script.read_text(encoding="utf-8").splitlines()
    comment = " ".join(line.removeprefix("#").strip() or "\n" for line in lines[1:] if line.startswith("#"))
    return re.split(r"(?<=[.])\s|\n", comment)[0].strip()


def copy_recipe(name: str, target: Path) -> Path:
    """Copy a recipe and what it shares with others into ``target``, under the names that they have here.

    Returns:
        The folder of the copy, ``target/NAME``.

    Raises:
        ConfigError: if there is no such recipe, or the copy exists already.
        DataError: if the system refuses to write; there is no part of a recipe then.
    """
    recipes = {recipe.name: recipe for recipe in list_recipes()}
    if name not in recipes:
        raise ConfigError(unknown_name("recipe", name, list(recipes)))
    copy = target / name
    if copy.exists():
        raise ConfigError(f"{copy} exists already; choose another folder, or remove it")
    shared = recipes_folder() / _SHARED
    for file in _files(shared):
        with atomic_file(target / _SHARED / file) as temporary:
            _copy_file(shared / file, temporary)
    with atomic_folder(copy) as folder:
        for file in _files(recipes[name].path):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            _copy_file(recipes[name].path / file, folder / file)
    return copy


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder, relative to it, without what runs have made."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _MADE]
        found += [Path(parent, name).relative_to(folder) for name in files if name not in _MADE]
    return sorted(found)


def _copy_file(source: Path, target: Path) -> None:
    shutil.copy(source, target)
    # An installation may have lost it.
    if source.suffix == ".sh" and source.read_bytes().startswith(b"#!"):
        target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
