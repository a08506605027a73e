"""Captures on the command line: played, shown, listed and written."""

import json
from pathlib import Path

import pytest
import yaml

from vocoders.core.audio import audio_info, read_audio

FILES = Path(__file__).resolve().parents[2] / "effects" / "captures" / "files"


def test_a_capture_plays_at_any_rate_and_number_of_channels(ondes, make_audio) -> None:
    make_audio("guitar.wav", 3000, channels=2, rate=44100)
    assert ondes("effect", "guitar.wav", "-m", FILES / "convnet_bn.nam", "-o", "out.wav").code == 0
    info = audio_info("out.wav")
    assert (info.sample_rate, info.channels, info.frames) == (44100, 2, 3000)
    assert read_audio("out.wav")[0].abs().max() > 0.01


def test_levels_of_players_are_options(ondes, make_audio) -> None:
    make_audio("guitar.wav", 3000, rate=48000)
    peaks = {}
    for options in ((), ("--normalize",)):
        run = ondes("effect", "guitar.wav", "-m", FILES / "convnet_bn.nam", "-o", "out.wav", "-f", "--json", *options)
        peaks[options] = json.loads(run.out)["peak"]
    assert peaks["--normalize",] / peaks[()] == pytest.approx(10 ** ((-18 + 18.5) / 20), rel=1e-3)
    for source, options in (
        (FILES / "convnet_bn.nam", ("--calibrate", "12")),
        (FILES / "convnet_bn.nam", ("--slim", "0.5")),
        ("comp4c-tcn", ("--normalize",)),
    ):
        run = ondes("effect", "guitar.wav", "-m", source, "-o", "never.wav", *options)
        assert (run.code, run.err.count("\n")) == (2, 1)
    run = ondes("effect", "guitar.wav", "--processor", "overdrive", "--slim", "1", "-o", "never.wav")
    assert (run.code, run.err.count("\n")) == (2, 1)
    assert not Path("never.wav").exists()


def test_knobs_of_captures_are_listed_and_set(ondes, make_audio) -> None:
    make_audio("guitar.wav", 3000, rate=48000)
    capture = FILES / "aidax_gru8_knob.json"
    assert "param1\t-\t0 .. 1" in ondes("effect", "--list-knobs", "-m", capture).out
    for value in (0, 1):
        ondes("effect", "guitar.wav", "-m", capture, "-k", f"param1={value}", "-o", f"{value}.wav")
    assert (read_audio("0.wav")[0] - read_audio("1.wav")[0]).abs().max() > 1e-3


def test_info_and_models_show_captures(ondes, tiny: str) -> None:
    facts = json.loads(ondes("info", FILES / "lstm2_44k.nam", "--json").out)
    assert (facts["architecture"], facts["version"], facts["sample_rate"]) == ("LSTM", "0.5.4", 44100)
    assert (facts["input_level_dbu"], facts["output_level_dbu"], facts["loudness"]) == (12.2, 12.5, -20.1)
    listed = json.loads(ondes("models", FILES, "--json").out)
    assert [model["name"] for model in listed] == sorted(path.name for path in FILES.iterdir())
    Path("text.nam").write_text("text")
    run = ondes("models", ".")
    assert run.code == 0
    assert "text.nam" in run.err
    assert ondes("models", "nowhere").code == 2
    assert yaml.safe_load(ondes("info", FILES / "linear_ir.nam").out)["family"] == "linear"


def test_a_capture_is_exported_with_what_is_told_about_it(ondes, tiny: str) -> None:
    about = ("--about", "name=My amp", "--about", "input_level_dbu=12.5 dBu")
    run = ondes("export", FILES / "convnet_bn.nam", "--format", "nam", "-o", "amp.nam", *about)
    assert run.code == 0, run.err
    metadata = json.loads(Path("amp.nam").read_text())["metadata"]
    assert (metadata["name"], metadata["input_level_dbu"]) == ("My amp", 12.5)
    assert ondes("export", FILES / "aidax_gru8_knob.json", "--format", "aidax", "-o", "amp.json").code == 0
    frozen = ("--freeze", "-k", "param1=0.3")
    assert ondes("export", FILES / "aidax_gru8_knob.json", "--format", "aidax", "-o", "one.json", *frozen).code == 0
    assert json.loads(Path("one.json").read_text())["in_shape"][-1] == 1
    assert ondes("info", "one.json", "--verify").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("comp4c-tcn", "--format", "nam", "-o", "x.nam"),
        (FILES / "convnet_bn.nam", "--format", "nam", "-o", "x.wav"),
        (FILES / "convnet_bn.nam", "--format", "nam", "-o", "x.nam", "--about", "colour=red"),
        (FILES / "convnet_bn.nam", "--format", "nam", "-o", "x.nam", "--about", "name"),
        (FILES / "convnet_bn.nam", "--format", "nam", "-o", "x.nam", "--max-block", "64"),
        (FILES / "convnet_bn.nam", "--format", "onnx", "-o", "x", "--about", "name=x"),
        (FILES / "aidax_gru8_knob.json", "--format", "aidax", "-o", "x.json", "-k", "param1=0.3"),
        (FILES / "aidax_gru8_knob.json", "--format", "aidax", "-o", "x.json", "--smaller", FILES / "linear_ir.nam"),
    ],
)
def test_impossible_exports_end_in_a_line(ondes, tiny: str, words) -> None:
    run = ondes("export", *words)
    assert run.code == 2
    assert run.err.count("\n") == 1
    assert not list(Path().glob("x*"))
