"""Readers of files against damaged and random content, and against all content that once broke one of them."""

from functools import lru_cache
from pathlib import Path

import pytest
from fuzzed_readers import READERS, attempt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FOUND = Path(__file__).parent / "found"
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example)


@lru_cache
def seeds(name: str) -> list[bytes]:
    return READERS[name].seeds()


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """A seed in which some bytes are replaced, repeated or cut out, or anything at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    content = bytearray(draw(st.sampled_from(seeds(name))))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 16))
        kind = draw(st.sampled_from(("replace", "insert", "remove", "repeat", "end", "number")))
        if kind == "replace":
            content[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "insert":
            content[place:place] = draw(st.binary(max_size=16))
        elif kind == "remove":
            del content[place : place + length]
        elif kind == "repeat":
            content[place:place] = content[place : place + length] * draw(st.integers(1, 20))
        elif kind == "end":
            del content[place:]
        else:
            content[place : place + 4] = draw(st.sampled_from((b"\xff" * 4, b"\xff\xff\xff\x7f", bytes(4), b"9999")))
    return bytes(content)


@pytest.mark.parametrize("name", READERS)
def test_seeds_are_read_or_refused(name: str) -> None:
    lines = [attempt(name, content) for content in seeds(name)]
    assert "" in lines or name in ("model", "config", "conversion", "lhotse")


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=25, suppress_health_check=_SLOW)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(name: str, data: st.DataObject) -> None:
    attempt(name, data.draw(damaged(name)))


@pytest.mark.parametrize("path", sorted(FOUND.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_once_broke_a_reader_does_so_no_more(path: Path) -> None:
    attempt(path.parent.name, path.read_bytes())
