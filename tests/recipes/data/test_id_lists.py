"""Lists of ids: every encoding, what is refused, and that what is written is read again."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recipes.data.commands import ALLOWED
from recipes.data.id_lists import can_be_listed, format_file_list, format_id_list, read_file_list, read_id_list
from vocoders.core.errors import DataError

FILES = {"a1": Path("/x/café 1.wav"), "b2": Path("/x/-|-.wav")}


@pytest.mark.parametrize("separator", [" ", "\t", "  \t "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_every_encoding_reads_the_same(tmp_path, encoding: str, end: str, separator: str) -> None:
    text = end.join(f"{name}{separator}{file}" for name, file in FILES.items())
    (tmp_path / "wav.scp").write_bytes(text.encode(encoding))
    assert read_file_list(tmp_path / "wav.scp", "list", in_order=True) == FILES


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.dictionaries(st.text(max_size=5), st.text(max_size=8), max_size=4))
@example(rows={"0\x000": ""})  # would be taken for UTF-16
def test_what_is_written_is_read_again_or_refused(tmp_path, rows: dict[str, str]) -> None:
    try:
        text = format_id_list(rows)
    except DataError:
        return
    (tmp_path / "list").write_bytes(text.encode())
    assert read_id_list(tmp_path / "list", "list", empty_values=True, in_order=True) == rows


@pytest.mark.parametrize("name", ["a\nb.wav", "a.wav ", "sox |", "caf\udce9.wav", "a\r.wav"])
def test_files_that_a_list_cannot_name_are_refused(name: str) -> None:
    assert not can_be_listed(Path(name))
    with pytest.raises(DataError, match="list of files"):
        format_file_list({"u": Path(name)})
    assert can_be_listed(Path("a | b\tc.wav"))


def test_relative_files_count_from_the_list_where_nothing_else_is(tmp_path, monkeypatch) -> None:
    (tmp_path / "data").mkdir()
    for name in ("here.wav", "data/there.wav", "data/here.wav"):
        (tmp_path / name).touch()
    (tmp_path / "data/wet.scp").write_text("a here.wav\nb there.wav\nc none.wav\n")
    monkeypatch.chdir(tmp_path)
    found = read_file_list(Path("data/wet.scp"), "list")
    assert found == {"a": Path("here.wav"), "b": Path("data/there.wav"), "c": Path("none.wav")}


def test_commands_run_only_where_they_are_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, trace = tmp_path / "wav.scp", tmp_path / "ran"
    monkeypatch.delenv(ALLOWED, raising=False)
    path.write_text(f"a echo once >> {trace}; echo content |\n")
    with pytest.raises(DataError):
        read_file_list(path, "list")
    assert not trace.exists()
    monkeypatch.setenv(ALLOWED, "1")
    for _ in range(2):  # a list may be read several times
        assert read_file_list(path, "list")["a"].read_text() == "content\n"
    assert trace.read_text() == "once\n"


@pytest.mark.parametrize("command", ["exit 3 |", "true |", "| cat", "no-such-program x |"])
def test_commands_that_fail_are_one_line(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOWED, "1")
    (tmp_path / "wav.scp").write_text(f"a {command}\n")
    with pytest.raises(DataError) as caught:
        read_file_list(tmp_path / "wav.scp", "list")
    assert len(str(caught.value).splitlines()) == 1
