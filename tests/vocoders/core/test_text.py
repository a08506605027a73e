"""Text files of every encoding and line end."""

import codecs
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vocoders.core.errors import DataError
from vocoders.core.text import read_lines, read_text

TEXT = "u1 café.wav\n\n  u2\tnaïve – “x”  \nu3 ö"
LINES = [(1, "u1 café.wav"), (3, "u2\tnaïve – “x”"), (4, "u3 ö")]
ENCODINGS = {
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8-sig",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "utf-16-be with a mark": ("utf-16-be", codecs.BOM_UTF16_BE),
    "utf-32": "utf-32",
    "cp1252": "cp1252",
}


def encode(text: str, encoding: str | tuple[str, bytes]) -> bytes:
    name, mark = encoding if isinstance(encoding, tuple) else (encoding, b"")
    return mark + text.encode(name)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_every_encoding_and_line_end_reads_the_same(
    tmp_path, encoding, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "list"
    path.write_bytes(encode(TEXT.replace("\n", end), encoding))
    with caplog.at_level(logging.WARNING):
        assert read_text(path) == TEXT
    assert len(caplog.messages) == (encoding == "cp1252")
    assert read_lines(path) == LINES


def test_marks_of_joined_files_and_the_end_of_file_of_dos_go(tmp_path) -> None:
    (tmp_path / "list").write_bytes("\ufeffa 1\r\n\ufeffb 2\r\n\x1a".encode())
    assert read_lines(tmp_path / "list") == [(1, "a 1"), (2, "b 2")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(st.characters(exclude_characters="\0\r\ufeff\x1a", exclude_categories=["Cs"])))
def test_utf8_of_any_kind_is_itself(tmp_path, text: str) -> None:
    text = "id " + text
    (tmp_path / "list").write_bytes(text.encode())
    assert read_text(tmp_path / "list") == text


@pytest.mark.parametrize(
    "content",
    [
        b"RIFF\x24\x80\x00\x00WAVE",
        b"PK\x03\x04\x14\x00\x06\x00\xfe",
        b"\xff\xfea",
        b"\xff\xfe\x00\xd8",
        b"a\x00b good.wav\n",
        b"\x81\x8d caf\xe9",
    ],
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path, content: bytes) -> None:
    (tmp_path / "list").write_bytes(content)
    for path, words in ((tmp_path / "list", "cannot be read as text"), (tmp_path, "cannot be read"), ("no", "no such")):
        with pytest.raises(DataError, match=words) as caught:
            read_lines(path)
        assert "\n" not in str(caught.value)
