"""Files from anywhere: one line that says what is wrong, within two seconds, in little memory, and no code is run."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hostile_files import CASES, bounded, write_case

from effects import load as load_effect
from recipes.data.id_lists import read_file_list
from vocoders.core.audio import audio_info, read_audio, read_blocks
from vocoders.core.config import Config, read_yaml
from vocoders.core.errors import OndesError
from vocoders.core.feature_files import list_utterances, read_feature_file
from vocoders.core.json_files import read_json
from vocoders.core.limits import limit, set_limit
from vocoders.core.official import read_official_checkpoint
from vocoders.core.official_state import find_reference
from vocoders.core.pretrained import read_tensors
from vocoders.core.statistics_file import read_statistics
from vocoders.core.tables import read_table
from vocoders.core.text import read_text


def _read_as_model(path: Path) -> object:
    os.rename(path, path.with_name("config.json"))
    return load_effect(path.parent)


class _Anything(Config):
    a: int = 0


def _all_audio(path: Path) -> None:
    audio_info(path)
    read_audio(path)
    sum(block.shape[-1] for block in read_blocks(path, 1 << 16))


READERS: dict[str, Callable[[Path], object]] = {
    "audio": _all_audio,
    "yaml": lambda path: _Anything.from_dict(read_yaml(path)),
    "json": _read_as_model,
    "safetensors": read_tensors,
    "checkpoint": lambda path: find_reference(read_official_checkpoint(path)),
    "features": read_feature_file,
    "statistics": lambda path: read_statistics(path, ["mean", "std"]),
    "table": lambda path: read_table(path, "table", "rows"),
    "list": lambda path: read_file_list(path, "list"),
}
# Whoever reads these finds nothing in them, or all that there is.
HARMLESS = {"claims 4 GB.wav", "of itself.pt", "the same everywhere.pt", "zeros.yaml"}


def refuse(read: Callable[[Path], object], path: Path, may_pass: bool = False) -> str:
    with bounded():
        try:
            read(path)
        except OndesError as error:
            line = str(error)
        else:
            assert may_pass
            return ""
    assert "\n" not in line
    assert len(line) < 1000
    return line


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in CASES.items() for name in names])
def test_hostile_files_are_refused_in_one_line(kind: str, name: str, tmp_path: Path) -> None:
    path = write_case(kind, name, tmp_path)
    refuse(READERS[kind], path, name in HARMLESS)
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "x").exists()


READERS_OF_ANYTHING = {
    **READERS,
    "json": load_effect,
    "text": read_text,
    "archives": list_utterances,
}


@pytest.mark.parametrize("kind", READERS_OF_ANYTHING)
@pytest.mark.parametrize("place", ["a pipe", "a socket", "/dev/zero", "/dev/null", "a folder", "a link to a pipe"])
def test_devices_and_pipes_are_not_waited_for(kind: str, place: str, tmp_path: Path) -> None:
    path = Path(place) if place.startswith("/") else tmp_path / "x"
    if "pipe" in place:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    elif place == "a socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(os.path.relpath(path))
    elif place == "a folder":
        path.mkdir()
    refuse(READERS_OF_ANYTHING[kind], path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "README.md"])
def test_a_pipe_in_a_model_folder(name: str, tmp_path: Path, repository: Path) -> None:
    source = next((repository / "effects" / "weights").glob("*/config.json")).parent
    for file in source.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    refuse(load_effect, tmp_path, may_pass=name == "README.md")


def test_a_limit_is_named_and_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 100)
    monkeypatch.setenv("ONDES_LIMIT_TABLE", "100")
    assert "ONDES_LIMIT_TABLE" in refuse(READERS["table"], path)
    set_limit("table=1K")
    assert limit("table") == 1024
    assert len(read_table(path, "table", "rows").rows) == 100
    for wrong in ("table", "table=much", "tables=1K"):
        with pytest.raises(OndesError):
            set_limit(wrong)


def test_depth_up_to_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    depth = limit("depth")
    path.write_text("[" * depth + "]" * depth)
    read_json(path)
    path.write_text("[" * (depth + 1) + "]" * (depth + 1))
    with pytest.raises(ValueError):
        read_json(path)


def test_aliases_of_ordinary_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("base: &base {a: 1, b: [1, 2]}\nagain: [*base, *base]\n")
    assert read_yaml(path)["again"] == 2 * [{"a": 1, "b": [1, 2]}]


def test_sparse_files_are_not_read_into_memory(tmp_path: Path) -> None:
    """A file of a terabyte takes no place on the disk, and would take all of the memory."""
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((4, 4), np.float32))
    os.truncate(path, 1 << 40)
    refuse(read_feature_file, path)
    for kind in ("yaml", "json", "table", "list", "statistics"):
        refuse(READERS_OF_ANYTHING[kind], path)
