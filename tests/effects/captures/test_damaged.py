"""Damaged and hostile files: one line that says what is wrong, in no time, before anything is allocated."""

import contextlib
import copy
import json
import time
import tracemalloc

import pytest
from capture_files import NAMES, content_of, tiny_wavenet, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effects import load
from vocoders.core.errors import CheckpointError, OndesError

# Time, and memory in bytes.
SECONDS, BYTES = 2.0, 16 << 20


def refuse(path) -> str:
    """Return the line with which a file is refused; check that it is one, and that it comes soon."""
    started = time.thread_time()
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert time.thread_time() - started < SECONDS
    assert "\n" not in str(caught.value)
    return str(caught.value)


def refuse_without_cost(path) -> str:
    """Return the line with which a file is refused; check that nothing is allocated for what it asks for."""
    tracemalloc.start()
    line, (_, peak) = refuse(path), tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < BYTES
    return line


def in_layer(**fields) -> dict:
    content = tiny_wavenet()
    content["config"]["layers"][0] |= fields
    return content


WRONG = {
    "no weights": tiny_wavenet(weights=[]),
    "too few": tiny_wavenet(weights=tiny_wavenet()["weights"][:-1]),
    "too many": tiny_wavenet(weights=[*tiny_wavenet()["weights"], 0.0]),
    "a text among them": tiny_wavenet(weights=["1"] * 25),
    "nested": tiny_wavenet(weights=[[1.0]] * 25),
    "true": tiny_wavenet(weights=[True] * 25),
    "NaN": tiny_wavenet(weights=[float("nan")] * 25),
    "infinity": tiny_wavenet(weights=[float("inf")] * 25),
    "beyond single precision": tiny_wavenet(weights=[1e308] * 25),
    "a number of a thousand digits": tiny_wavenet(weights=[10**1000] * 25),
    "no configuration": tiny_wavenet(config=None),
    "no layers": tiny_wavenet(config={"layers": [], "head": None}),
    "layers as a text": tiny_wavenet(config={"layers": "all", "head": None}),
    "a thousand arrays": tiny_wavenet(config={"layers": tiny_wavenet()["config"]["layers"] * 1000}),
    "many channels": in_layer(channels=10**9),
    "channels as a fraction": in_layer(channels=2.5),
    "channels below zero": in_layer(channels=-2),
    "channels as NaN": in_layer(channels=float("nan")),
    "a large dilation": in_layer(dilations=[10**15]),
    "a past of gigabytes": in_layer(dilations=[1 << 20] * 200),
    "many taps": in_layer(kernel_size=10**12),
    "no taps": in_layer(kernel_size=0),
    "both kinds of taps": in_layer(kernel_sizes=[2]),
    "an unknown activation": in_layer(activation="Softsigmoid"),
    "an activation as a number": in_layer(activation=3),
    "slopes of other channels": in_layer(activation={"type": "PReLU", "negative_slopes": [0.1, 0.2, 0.3]}),
    "an unknown gating": in_layer(gating_mode="open"),
    "groups that do not divide": in_layer(groups_input=3),
    "another input size": in_layer(input_size=2),
    "another condition size": in_layer(condition_size=4),
    "an unknown way of slimming": in_layer(slimmable={"method": "cut", "kwargs": {}}),
    "slimming with groups": in_layer(groups_input=2, slimmable={"method": "slice_channels_uniform"}),
    "an unknown architecture": tiny_wavenet(architecture="HyperWaveNet"),
    "a sequence": tiny_wavenet(architecture="Sequential", config={"models": [tiny_wavenet()]}, weights=[]),
    "a version that is no version": tiny_wavenet(version="new"),
    "a rate of zero": tiny_wavenet(sample_rate=0),
    "two channels": tiny_wavenet(config=tiny_wavenet()["config"] | {"in_channels": 2}),
    "an LSTM of the wrong size": tiny_wavenet(architecture="LSTM", config={"hidden_size": 1000, "num_layers": 16}),
    "a ConvNet of the wrong size": tiny_wavenet(
        architecture="ConvNet", config={"channels": 9, "dilations": [1], "batchnorm": False, "activation": "Tanh"}
    ),
    "a response of another length": tiny_wavenet(
        architecture="Linear", config={"receptive_field": 10**6, "bias": False}
    ),
}


def test_the_largest_files_are_refused_as_fast(tmp_path) -> None:
    zeros = "[" + "0," * 4_000_000 + "0]"
    for content in (tiny_wavenet(), tiny_wavenet(architecture="LSTM", config={"hidden_size": 256, "num_layers": 16})):
        text = json.dumps(content | {"weights": "W"}).replace('"W"', zeros)
        refuse(write(tmp_path, text))


@pytest.mark.parametrize("name", WRONG)
def test_wrong_contents_are_refused(name: str, tmp_path) -> None:
    assert "amp.nam" in refuse_without_cost(write(tmp_path, WRONG[name]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[1, 2]",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"weights": [' + "[" * 1000 + "]" * 1000 + "]}",
        '{"version": "0.5.4"',
        '{"name": "\\ud800"}',
        "\ufeff{}",
    ],
    ids=range(9),
)
def test_texts_that_are_no_capture_are_refused(text: str, tmp_path) -> None:
    path = tmp_path / "amp.nam"
    path.write_text(text, encoding="utf-8")
    refuse(path)


def test_files_of_other_kinds_are_refused(tmp_path) -> None:
    (tmp_path / "binary.nam").write_bytes(bytes(range(256)) * 100)
    refuse(tmp_path / "binary.nam")
    with open(tmp_path / "huge.nam", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointError):
        load(tmp_path / "huge.nam")
    with pytest.raises(CheckpointError):
        load(tmp_path / "missing.nam")
    refuse(write(tmp_path, {"variables": [], "activation": "gated"}, "smart.json"))


@pytest.mark.parametrize("wrap", ["condition", "container"])
def test_what_contains_itself_too_often_is_refused(wrap: str, tmp_path) -> None:
    content = tiny_wavenet()
    for _ in range(8):
        outer = tiny_wavenet()
        if wrap == "condition":
            outer["config"]["condition_dsp"] = content
        else:
            outer |= {"architecture": "SlimmableContainer", "weights": []}
            outer["config"] = {"submodels": [{"max_value": 1.0, "model": content}]}
        content = outer
    refuse(write(tmp_path, content))


def test_conditions_are_wavenets_of_the_same_rate(tmp_path) -> None:
    for fields in ({"sample_rate": 44100}, {"architecture": "LSTM"}):
        content = tiny_wavenet()
        content["config"]["condition_dsp"] = tiny_wavenet(**fields)
        refuse(write(tmp_path, content))


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("aidax_gru8_knob.json", ("layers",), []),
        ("aidax_gru8_knob.json", ("in_skip",), 2),
        ("aidax_gru8_knob.json", ("in_gain",), 1e9),
        ("aidax_gru8_knob.json", ("in_shape",), [None, None, 10**9]),
        ("aidax_gru8_knob.json", ("layers", 0, "shape"), [None, None, 7]),
        ("aidax_gru8_knob.json", ("layers", 0, "type"), "conv1d"),
        ("aidax_gru8_knob.json", ("layers", 0, "weights", 0, 1), [0.0]),
        ("aidax_gru8_knob.json", ("layers", 1, "activation"), "tanh"),
        ("lstm2_44k.nam", ("config", "hidden_size"), 7),
        ("convnet_bn.nam", ("config", "groups"), 2),
        ("convnet_bn.nam", ("weights", 13), -1.0),
    ],
)
def test_damage_in_other_kinds_is_refused(name: str, path: tuple, value, tmp_path) -> None:
    content = content_of(name)
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    refuse(write(tmp_path, content, name))


def places(content, path: tuple = ()) -> list[tuple]:
    """Return the paths of all values, of lists only the first entries."""
    found = [path] if path else []
    entries = (
        content.items() if isinstance(content, dict) else enumerate(content[:3] if isinstance(content, list) else [])
    )
    return found + [place for key, value in entries for place in places(value, (*path, key))]


CONTENTS = {name: content_of(name) for name in NAMES}
JUNK = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        1,
        2,
        3.5,
        1e308,
        -1e308,
        10**30,
        float("nan"),
        float("inf"),
        "",
        "Tanh",
        [],
        [[]],
        {},
        [1],
        {"a": 1},
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_changed_opens_or_is_refused(tmp_path, data) -> None:
    name = data.draw(st.sampled_from(NAMES))
    content = copy.deepcopy(CONTENTS[name])
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(places(content)))
        inner = content
        for step in path:
            inner = inner[step]
        if data.draw(st.booleans()):
            inner[last] = copy.deepcopy(data.draw(JUNK))
        else:
            del inner[last]
    with contextlib.suppress(OndesError):
        load(write(tmp_path, json.dumps(content), name))
