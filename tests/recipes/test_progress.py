"""Progress: what is told in a log and on a terminal, and that nothing of the work changes."""

import io
import logging
import re
import sys

import pytest

from recipes import progress
from recipes.progress import gauge, track


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is moved."""
    time = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: time[0])
    return time


@pytest.mark.parametrize("stream", [io.StringIO, _Terminal])
def test_items_come_through_unchanged(monkeypatch, stream) -> None:
    monkeypatch.setattr(sys, "stderr", stream())
    assert list(track(iter("abc"), "work", 3)) == ["a", "b", "c"]
    assert list(track((), "work", 0)) == []


def test_a_log_has_a_line_each_half_minute_and_one_at_the_end(caplog, clock) -> None:
    with caplog.at_level(logging.INFO):
        for _ in track(range(10), "work", 10):
            clock[0] += 20.0
    lines = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(r"work: 2 .*10, 0\.05 items/s, 2 min 40 s .*", lines[0])
    assert re.fullmatch(r"work: 10 .*10 .* 200\.0 s", lines[-1])
    assert len(lines) == 5


def test_speed_and_time_left_do_not_count_what_was_done_before(caplog, clock) -> None:
    with caplog.at_level(logging.INFO), gauge("training", 100, "steps/s", counted=True, start=60) as advance:
        clock[0] += 40.0
        advance(80)
    assert caplog.messages == ["training: 80 of 100, 0.50 steps/s, 40 s left"]


def test_an_amount_is_told_in_percent_and_nothing_where_nothing_is_wanted(caplog, clock) -> None:
    with caplog.at_level(logging.INFO):
        for shown in (True, False):
            with gauge("work", 8.0, "x real time", shown) as advance:
                clock[0] += 40.0
                advance(2.0)
    assert len(caplog.messages) == 1
    assert "25 %" in caplog.text


@pytest.mark.parametrize(("counted", "words"), [(True, "3/12"), (False, "25%")])
def test_a_terminal_has_a_bar(monkeypatch, counted: bool, words: str) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with gauge("work", 12, "steps/s", counted=counted) as advance:
        advance(3)
    assert "work" in terminal.getvalue()
    assert words in terminal.getvalue()
    assert "steps/s" in terminal.getvalue()


def test_a_notebook_has_one_line_that_changes(monkeypatch, clock) -> None:
    output = type("OutStream", (io.StringIO,), {})
    monkeypatch.setitem(sys.modules, "ipykernel.iostream", type("iostream", (), {"OutStream": output}))
    monkeypatch.setattr(sys, "stderr", output())
    with gauge("work", 4, "items/s", counted=True) as advance:
        for done in (1, 2, 3, 4):
            clock[0] += 1.0
            advance(done)
    first, *others = sys.stderr.getvalue().split("\r")
    assert not first
    assert [line.split(",")[0] for line in others] == ["work: 1 of 4", "work: 2 of 4", "work: 3 of 4"]
    assert others[-1].endswith("\n")
    assert len({len(line.rstrip("\n")) for line in others}) == 1


def test_a_log_has_no_control_characters(monkeypatch, caplog, clock) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO):
        for _ in track(range(4), "work", 4):
            clock[0] += 40.0
    assert sys.stderr.getvalue().replace("\n", "").isprintable()
    assert caplog.text.replace("\n", "").isprintable()
