"""Searching folders: what is found, what is never searched, and how long a search may be."""

import shutil
from pathlib import Path

import pytest

from vocoders.core.audio_formats import find_files, list_audio
from vocoders.core.errors import DataError
from vocoders.core.folder_search import search_folder, stat_files


def test_a_long_search_tells_where_it_is(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr("vocoders.core.folder_search._SILENT_SECONDS", -1.0)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.wav").touch()
    with caplog.at_level("INFO", logger="vocoders"):
        assert list(find_files(tmp_path)) == [tmp_path / "deep" / "x.wav"]
    assert str(tmp_path / "deep") in caplog.messages[-1]


@pytest.mark.parametrize("name", ["/", "//", "/tmp/..", "/proc", "/proc/self/fd", "/sys/class", "/dev"])
def test_neither_the_whole_machine_nor_the_system_is_searched(name: str) -> None:
    for search in (list_audio, lambda folder: list(find_files(folder))):
        with pytest.raises(DataError, match=name):
            search(Path(name))


def test_links_are_followed_once_and_never_out_of_what_anybody_means(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.wav").touch()
    links = {
        "circle": tmp_path / "in",
        "elsewhere": tmp_path / "elsewhere",
        "machine": Path("/"),
        "system": Path("/proc"),
    }
    for name, place in links.items():
        (tmp_path / "in" / name).symlink_to(place)
    assert list(search_folder(tmp_path / "in")) == [tmp_path / "in" / "elsewhere" / "x.wav"]


def test_a_search_is_bounded_and_the_bound_can_be_raised(tmp_path: Path, monkeypatch) -> None:
    for number in range(4):
        (tmp_path / f"{number}.wav").touch()
    monkeypatch.setenv("ONDES_LIMIT_SEARCH", "3")
    with pytest.raises(DataError, match="ONDES_LIMIT_SEARCH=30"):
        list(search_folder(tmp_path))
    monkeypatch.setenv("ONDES_LIMIT_SEARCH", "30")
    assert len(list(search_folder(tmp_path))) == 4


def test_files_are_counted_while_other_processes_remove_them(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).mkdir()
        for file in ("1", ".2"):
            (tmp_path / name / file).write_text(name)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "b" / "1")
    assert {path.name: state.st_size for path, state in stat_files(tmp_path)} == {"1": 1, ".2": 1}
    found = set()
    for path, _ in stat_files(tmp_path):
        found.add(path)
        for name in "abcd":
            if name != path.parent.name:
                shutil.rmtree(tmp_path / name, ignore_errors=True)
    assert len(found) == 2
    assert not list(stat_files(tmp_path / "never"))
