"""`ondes recipe`: every recipe is listed with a title, and a copy runs away from the checkout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recipes.catalogue import copy_recipe, list_recipes
from vocoders.core.errors import ConfigError

REPOSITORY = Path(__file__).parents[3]


def test_the_list_has_every_recipe_with_a_title(ondes) -> None:
    recipes = json.loads(ondes("recipe", "list", "--json").out)
    scripts = {str(script.parent.relative_to(REPOSITORY / "egs")) for script in REPOSITORY.glob("egs/*/*/run.sh")}
    assert {recipe["name"] for recipe in recipes} == scripts
    assert all(recipe["title"].endswith(".") and "\n" not in recipe["title"] for recipe in recipes)
    assert "mini/wavehax" in ondes("recipe", "list").out


def test_a_copy_runs_where_it_is(tmp_path: Path) -> None:
    copies = [copy_recipe(name, tmp_path / "mine") for name in ("mini/wavehax", "template/capture")]
    ondes = tmp_path / "bin" / "ondes"
    ondes.parent.mkdir()
    ondes.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m recipes.cli.main "$@"\n')
    ondes.chmod(0o755)
    environment = os.environ | {"PATH": f"{ondes.parent}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
    for copy in copies:
        run = subprocess.run(["./run.sh", "--help"], cwd=copy, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert "--stage" in run.stdout
        assert not [made for name in ("exp", "dump", "data") if (made := copy / name).exists()]


def test_nothing_is_overwritten_and_names_are_corrected(tmp_path: Path) -> None:
    copy_recipe("mini/effects", tmp_path)
    with pytest.raises(ConfigError, match="exists already"):
        copy_recipe("mini/effects", tmp_path)
    with pytest.raises(ConfigError, match="mini/wavehax"):
        copy_recipe("mini/wavehacks", tmp_path)
    assert len(list_recipes()) > 20
