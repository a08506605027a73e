"""Knobs that move: tables that are read or refused, and paths that do not depend on blocks."""

import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effects.automation import CONTROL_PERIOD, Automation, KnobPath
from effects.knobs import Knob, KnobSet
from vocoders.core.errors import ConfigError, DataError

RATE = 44100
KNOBS = KnobSet(
    knobs=(
        Knob(name="threshold", unit="dB", min=-30, max=0, default=-15, scale="db", smoothing_ms=20),
        Knob(name="attack", unit="s", min=0.001, max=0.1, default=0.01, scale="log", smoothing_ms=0),
        Knob.switch("mode"),
    )
)


def follow(path: KnobPath, lengths: list[int]) -> np.ndarray:
    blocks = [np.broadcast_to(path.advance(length), (len(KNOBS), length)) for length in lengths]
    return np.concatenate(blocks, axis=1)


def automation() -> Automation:
    return Automation.from_points(
        KNOBS, {"threshold": [(0, -30), ("20ms", "0dB")], "mode": [(0.005, "on"), (0.015, "off")]}
    )


def test_still_knobs_are_one_column() -> None:
    path = KnobPath(KNOBS, {"threshold": 0}, RATE)
    for length in (1, 64, 1000, 0, 7):
        column = path.advance(length)
        assert column.shape == (3, 1)
        assert column[:, 0].tolist() == pytest.approx([1, 0, -1])


def test_a_turned_knob_is_followed_with_its_time_constant() -> None:
    path = KnobPath(KNOBS, {"threshold": -30}, RATE)
    path.advance(2 * CONTROL_PERIOD)
    path.set({"threshold": 0}, 2 * CONTROL_PERIOD)
    moved = follow(path, [RATE])[0]
    # The value at the end of each control period is on the exponential.
    ends = moved[CONTROL_PERIOD - 1 :: CONTROL_PERIOD][:60]
    elapsed = CONTROL_PERIOD * np.arange(1, 61) / RATE
    np.testing.assert_allclose(ends, 1 - 2 * np.exp(-elapsed / 0.02), rtol=0, atol=1e-12)
    assert moved[-1] == 1
    steps = np.abs(np.diff(moved, prepend=-1))
    assert steps.max() == pytest.approx(2 * (1 - math.exp(-CONTROL_PERIOD / RATE / 0.02)) / CONTROL_PERIOD)
    assert path.advance(500).shape == (3, 1)


def test_switches_and_knobs_without_smoothing_jump_at_a_control_point() -> None:
    path = KnobPath(KNOBS, None, RATE)
    path.advance(10)
    path.set({"mode": "on", "attack": 0.1}, 10)
    moved = follow(path, [200])
    assert set(moved[2]) == {-1, 1}
    assert np.flatnonzero(np.diff(moved[2])).tolist() == [CONTROL_PERIOD - 10 - 1]
    np.testing.assert_allclose(moved[1], np.where(np.arange(200) < CONTROL_PERIOD - 10, 0, 1), atol=1e-12)
    assert len(set(moved[0])) == 1


def test_knobs_set_before_the_first_sample_do_not_move() -> None:
    path = KnobPath(KNOBS, None, RATE)
    path.set({"threshold": -30}, 0)
    assert path.advance(300)[:, 0].tolist() == pytest.approx([-1, 0, -1])


@settings(max_examples=30)
@given(st.lists(st.integers(0, 300), max_size=12), st.integers(0, 900))
def test_the_path_does_not_depend_on_blocks_nor_on_saving(lengths: list[int], position: int) -> None:
    def make() -> KnobPath:
        return KnobPath(KNOBS, {"attack": 0.02}, RATE, automation())

    whole = make()
    whole.advance(1)
    whole.set({"attack": 0.1}, position)
    expected = follow(whole, [2000])
    path = make()
    path.advance(1)
    path.set({"attack": 0.1}, position)
    blocks, rest = [], 2000
    for length in [*lengths, 2000]:
        blocks.append(follow(path, [min(length, rest)]))
        rest -= min(length, rest)
        state = path.state()
        path = make()
        path.load_state(state)
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), expected)


def test_automation_moves_in_straight_lines_of_the_dial_and_holds_its_ends() -> None:
    seconds = np.array([0.0, 0.01, 0.02, 5.0])
    values = automation().normalized_at(seconds, KNOBS)
    np.testing.assert_allclose(values["threshold"], [-1, 0, 1, 1], atol=1e-12)
    assert automation().normalized_at(np.array([0.0, 0.0049, 0.005, 0.0149, 0.015]), KNOBS)["mode"].tolist() == [
        1,
        1,
        1,
        1,
        -1,
    ]
    assert automation().duration == 0.02
    log = Automation.from_points(KNOBS, {"attack": [(0, 0.001), (1, 0.1)]})
    assert log.normalized_at(np.array([0.5]), KNOBS)["attack"][0] == pytest.approx(0)


def test_constant_automation_is_a_constant_knob() -> None:
    constant = Automation.from_points(KNOBS, {"threshold": [(0, -24)]})
    moving, still = KnobPath(KNOBS, None, RATE, constant), KnobPath(KNOBS, {"threshold": -24}, RATE)
    for length in (100, 1, 5000):
        np.testing.assert_array_equal(moving.advance(length), still.advance(length))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_are_read(tmp_path, separator: str, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        ["time", "threshold", "mode"],
        ["0", "-30dB", "on"],
        ["", "", ""],
        ["10 ms", "", "off"],
        ["0.02", "-99", ""],
    ]
    path = tmp_path / "knobs.csv"
    path.write_text("\ufeff" + "\r\n".join(separator.join(row) for row in rows) + "\r\n\r\n", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        read = Automation.read_csv(path, KNOBS)
    assert "clamped to -30 dB" in caplog.text
    assert {name: (t.tolist(), v.tolist()) for name, (t, v) in read.curves.items()} == {
        "threshold": ([0, 0.02], [-30, -30]),
        "mode": ([0, 0.01], [1, 0]),
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize(("separator", "value"), [(",", '"-3,5 dB"'), (";", "-3,5 dB"), ("\t", "-3,5"), (",", "-3.5")])
def test_every_table_of_a_spreadsheet_reads_the_same(tmp_path, encoding, end, separator, value) -> None:
    later = "250 ms" if separator == "," else "0,25"
    rows = [["time", "attack", "threshold"], ["0", "5ms", value], [later, "5 µs", ""]]
    path = tmp_path / "knobs.csv"
    path.write_bytes((end.join(map(separator.join, rows)) + end).encode(encoding))
    curves = Automation.read_csv(path, KNOBS).curves
    assert {name: (times.tolist(), values.tolist()) for name, (times, values) in curves.items()} == {
        "attack": ([0, 0.25], [0.005, 0.001]),
        "threshold": ([0], [-3.5]),
    }


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "0 rows; expected"),
        ("time,threshold\n", "1 rows; expected"),
        ("threshold,time\n-3,0\n", "'time'"),
        ("time,mode,mode\n0,0,0\n", "different names"),
        ("time\n0\n", "different names"),
        ("time,treshold\n0,-3\n", "'treshold'.* 'threshold'"),
        ("time,threshold\n0,nan\n", "line 2.* 'threshold'.* 'nan'"),
        ("time,threshold\n0,-3\n0.1,inf\n", "line 3: "),
        ("time,threshold\n0,-3\n0.1,3s\n", "line 3: .*unit 's'"),
        ("time,threshold\n0,-3\n0,-4\n", "line 3.* 0 s.* 0 s"),
        ("time,threshold\nsoon,-3\n", "line 2: knob 'time': 'soon'"),
        ("time,threshold\n0,-3,4\n", "line 2: 3 cells; expected 2"),
        ("time,threshold,mode\n0,-3,\n", "'mode'.* one point"),
    ],
)
def test_what_is_no_automation_is_refused_in_one_line(tmp_path, text: str, match: str) -> None:
    path = tmp_path / "knobs.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=match) as caught:
        Automation.read_csv(path, KNOBS)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_and_binary_tables_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="no such automation file"):
        Automation.read_csv(tmp_path / "none.csv", KNOBS)
    (tmp_path / "binary.csv").write_bytes(b"RIFF\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="as text"):
        Automation.read_csv(tmp_path / "binary.csv", KNOBS)


def test_points_must_rise_and_be_known() -> None:
    with pytest.raises(ConfigError, match="ascending times"):
        Automation.from_points(KNOBS, {"threshold": [(1, -3), (1, -4)]})
    with pytest.raises(ConfigError, match="unknown knob 'gain'"):
        Automation.from_points(KNOBS, {"gain": [(0, 1)]})
