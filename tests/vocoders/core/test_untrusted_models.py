"""Configurations of stored models that ask for far more than their weights: refused before anything is built."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hostile_files import bounded

import effects
import vocoders
from vocoders.core.errors import OndesError
from vocoders.core.model_source import shipped_folders

FOLDERS = {json.loads((folder / "config.json").read_text())["family"]: folder for folder in shipped_folders()}


def places(node: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the place of each number, and of each value that may be one."""
    if isinstance(node, (dict, list)):
        items = node.items() if isinstance(node, dict) else list(enumerate(node))[:1]
        for key, value in items:
            yield from places(value, (*path, key))
    elif isinstance(node, (int, float)) or node is None:
        yield path


def changed(content: dict, path: tuple, value: float) -> str:
    content = json.loads(json.dumps(content))
    node = content["config"]
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return json.dumps(content)


def try_all(family: str, values: tuple[float, ...], tmp_path: Path, every: int = 1) -> None:
    folder = FOLDERS[family]
    load = effects.load if "effects" in folder.parts else vocoders.load
    content = json.loads((folder / "config.json").read_text())
    for file in folder.iterdir():
        if file.name != "config.json":
            (tmp_path / file.name).symlink_to(file)
    for path in list(places(content["config"]))[::every]:
        for value in values:
            (tmp_path / "config.json").write_text(changed(content, path, value))
            with bounded(), suppress(OndesError):
                load(tmp_path)


@pytest.mark.parametrize("family", FOLDERS)
def test_a_thousand_million_is_refused_at_once(family: str, tmp_path: Path) -> None:
    try_all(family, (10**9,), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("family", FOLDERS)
def test_large_numbers_below_the_limit_cost_little(family: str, tmp_path: Path) -> None:
    try_all(family, (1 << 20, 1 << 16, 1e6, -1), tmp_path)


def test_a_network_far_larger_than_its_weights_is_refused(tmp_path: Path) -> None:
    folder = FOLDERS["wavehax"]
    content = json.loads((folder / "config.json").read_text())
    for file in folder.iterdir():
        if file.name != "config.json":
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / "config.json").write_text(changed(content, ("channels",), 1 << 14))
    with bounded(), pytest.raises(OndesError):
        vocoders.load(tmp_path)
