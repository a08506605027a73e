"""Knobs: what users type, what networks see, and that the two belong together."""

import json
import logging
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from effects.knobs import Knob, KnobSet
from vocoders.core.errors import ConfigError, ShapeError

ATTACK = Knob(name="attack", unit="s", min=0.001, max=0.04, default=0.01, scale="log")
THRESHOLD = Knob(name="threshold", unit="dB", min=-30, max=0, default=-12, scale="db")
CUTOFF = Knob(name="cutoff", unit="Hz", min=20, max=20000, default=1000, scale="log")
RATIO = Knob(name="ratio", min=1, max=5, default=2)
ECHOES = Knob(name="echoes", min=1, max=4, default=2, scale="int")
MODE = Knob.switch("mode", ("compress", "limit"))
KNOBS = KnobSet(knobs=(ATTACK, THRESHOLD, CUTOFF, RATIO, ECHOES, MODE))


@pytest.mark.parametrize(
    ("knob", "text", "value"),
    [
        (ATTACK, "5ms", 0.005),
        (ATTACK, "9ms", 0.009),
        (ATTACK, "0.01", 0.01),
        (ATTACK, " 20 MS ", 0.02),
        (ATTACK, "1500us", 0.0015),
        (ATTACK, "1e-2s", 0.01),
        (THRESHOLD, "-24dB", -24.0),
        (THRESHOLD, "\N{MINUS SIGN}24 db", -24.0),
        (THRESHOLD, "-.5", -0.5),
        (THRESHOLD, "-3,5dB", -3.5),
        (THRESHOLD, "-3,5\N{NO-BREAK SPACE}dB", -3.5),
        (THRESHOLD, "\N{MINUS SIGN},5 dB", -0.5),
        (ATTACK, "0,0125", 0.0125),
        (ATTACK, "1,25E+1ms", 0.0125),
        (CUTOFF, "1,25 kHz", 1250.0),
        (RATIO, "250 %", 2.5),
        (CUTOFF, "1.2kHz", 1200.0),
        (CUTOFF, "+440 Hz", 440.0),
        (RATIO, "4:1", 4.0),
        (RATIO, "250%", 2.5),
        (ECHOES, "3", 3.0),
        (MODE, "Limit", 1.0),
        (MODE, "0", 0.0),
    ],
)
def test_texts_with_units_become_values(knob: Knob, text: str, value: float) -> None:
    assert knob.parse(text) == value
    assert KNOBS.parse([f"{knob.name}={text}"]) == {knob.name: value}


@pytest.mark.parametrize(
    ("assignment", "match"),
    [
        ("attack=5dB", "'dB'.* s, ms or us"),
        ("attack=5 parsecs", "unit 'parsecs'"),
        ("attack=", "number of s"),
        ("attack=1,5,5ms", "unit ',5ms'"),
        ("cutoff=1,234.5 Hz", r"unit '\.5 Hz'"),
        ("attack=5,", "unit ','"),
        ("attack=1e99999999999999999999", "not understood"),
        ("attack=1e999999999999999999ms", "not a finite number"),
        ("attack", "name=value"),
        ("=5", "name=value"),
        ("attack=nan", "not understood"),
        ("attack=1e999", "not a finite number"),
        ("mode=expand", "one of compress, limit"),
        ("mode=0.5", "whole number.* compress, limit"),
        ("echoes=2.5", "not a whole number"),
        ("treshold=-24", "'treshold'.* 'threshold'.*attack, threshold, cutoff"),
        ("zzz=1", "'zzz'.* attack"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_one_line(assignment: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        KNOBS.parse([assignment])
    assert "\n" not in str(caught.value)


def test_a_knob_is_set_once() -> None:
    with pytest.raises(ConfigError, match="'attack'.* twice"):
        KNOBS.parse(["attack=5ms", "attack=6ms"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, [1], True])
def test_values_are_finite_numbers(value: object) -> None:
    with pytest.raises(ConfigError, match="knob 'ratio'"):
        KNOBS.resolve({"ratio": value})
    assert KNOBS.resolve({"mode": True})["mode"] == 1


def test_out_of_range_is_clamped_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert KNOBS.resolve({"attack": 0.05})["attack"] == 0.04
        assert KNOBS.parse(["threshold=-60dB"]) == {"threshold": -30}
    assert caplog.messages == [
        "knob 'attack': 50 ms lies outside 1 ms .. 40 ms; clamped to 40 ms",
        "knob 'threshold': -60 dB lies outside -30 dB .. 0 dB; clamped to -30 dB",
    ]
    caplog.clear()
    KNOBS.resolve({"attack": 0.04, "threshold": -30})
    assert not caplog.messages


def test_knobs_that_are_not_named_stand_at_their_defaults() -> None:
    settings = KNOBS.resolve({"ratio": 3})
    assert list(settings) == list(KNOBS.names)
    assert settings == {knob.name: knob.default for knob in KNOBS.knobs} | {"ratio": 3}


@pytest.mark.parametrize("norm", [(-1.0, 1.0), (-0.5, 0.5), (0.0, 1.0)])
def test_the_ends_of_every_dial_are_the_ends_of_the_norm(norm: tuple[float, float]) -> None:
    knobs = KNOBS.model_copy(update={"norm": norm})
    ends = torch.tensor([[knob.min for knob in KNOBS.knobs], [knob.max for knob in KNOBS.knobs]], dtype=torch.float64)
    expected = torch.tensor(norm, dtype=torch.float64)[:, None].expand(2, len(KNOBS))
    torch.testing.assert_close(knobs.normalize(ends), expected, rtol=0, atol=1e-15)
    torch.testing.assert_close(knobs.denormalize(expected), ends, rtol=1e-14, atol=0)


def test_a_log_scale_puts_the_geometric_mean_in_the_middle() -> None:
    middle = KNOBS.denormalize(torch.zeros(len(KNOBS), dtype=torch.float64))
    assert middle[0].item() == pytest.approx(math.sqrt(0.001 * 0.04))
    assert middle[1].item() == -15
    assert middle[2].item() == pytest.approx(math.sqrt(20 * 20000))


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_normalising_undoes_denormalising(normalized: list[float]) -> None:
    knobs = KnobSet(knobs=(ATTACK, THRESHOLD, CUTOFF, RATIO))
    numbers = torch.tensor(normalized, dtype=torch.float64)
    torch.testing.assert_close(knobs.normalize(knobs.denormalize(numbers)), numbers, rtol=0, atol=1e-12)


@given(st.floats(0.001, 0.04), st.floats(20, 20000))
def test_what_is_shown_can_be_typed_again(attack: float, cutoff: float) -> None:
    for knob, value in ((ATTACK, attack), (CUTOFF, cutoff)):
        assert knob.parse(knob.format(value)) == pytest.approx(value, rel=1e-3)
    assert MODE.parse(MODE.format(1.0)) == 1


def test_batches_of_settings_are_normalised_at_once() -> None:
    values = torch.stack([KNOBS.values({"ratio": 1}), KNOBS.values({"ratio": 5})]).expand(3, 2, len(KNOBS))
    assert KNOBS.normalize(values)[..., 3].tolist() == [[-1, 1]] * 3
    with pytest.raises(ShapeError, match="expected .*6"):
        KNOBS.normalize(values[..., 1:])


def test_a_json_file_gives_the_same_knobs_back() -> None:
    assert KnobSet.from_dict(json.loads(json.dumps(KNOBS.to_dict()))) == KNOBS


def test_the_json_schema_describes_what_resolve_takes() -> None:
    schema = KNOBS.json_schema()
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == list(KNOBS.names)
    assert schema["properties"]["mode"] == {"title": "mode", "enum": ["compress", "limit"], "default": "compress"}
    assert schema["properties"]["echoes"]["type"] == "integer"
    defaults = {name: entry["default"] for name, entry in schema["properties"].items()}
    assert KNOBS.resolve(defaults) == KNOBS.resolve()
    for knob in KNOBS.knobs[:5]:
        entry = schema["properties"][knob.name]
        assert (entry["minimum"], entry["maximum"]) == (knob.min, knob.max)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"min": 1, "max": 1, "default": 1}, "not below max"),
        ({"min": 0, "max": 1, "default": 2}, "default 2 lies outside"),
        ({"min": 0, "max": 1, "default": 0, "scale": "log"}, "needs a min above 0"),
        ({"min": 0, "max": 1.5, "default": 0, "scale": "int"}, "whole numbers"),
        ({"min": -9, "max": 0, "default": 0, "scale": "db"}, "unit 'dB'"),
        ({"min": 0, "max": 1, "default": 0, "choices": ["a", "b"]}, "choices .*'switch'"),
        ({"min": 0, "max": 1, "default": 0, "scale": "switch"}, "choices .*'switch'"),
        ({"min": 0, "max": 2, "default": 0, "scale": "switch", "choices": ["a", "b"]}, "choices"),
        ({"min": 0, "max": 1, "default": 0, "unit": "ms"}, "unit"),
        ({"min": 0, "max": 1, "default": 0, "smoothing": 3}, "unknown key"),
    ],
)
def test_impossible_knobs_are_refused(fields: dict, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Knob.from_dict({"name": "x"} | fields)


def test_knobs_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="names must differ"):
        KnobSet.from_dict({"knobs": [RATIO.to_dict(), RATIO.to_dict()]})
