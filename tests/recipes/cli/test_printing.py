"""Names and texts of strangers' files, which would move the cursor or add lines, are shown escaped."""

import json
import re
from pathlib import Path

import pytest

from recipes.cli.printing import say, say_json, say_text

# A bell and a title for the window (which typer would not strip), a line of its own, and a turn of the direction.
HOSTILE = "a\a\x1b]0;b\x07\x9b2J\nerror: c\u202e"
CAPTURE = Path(__file__).resolve().parents[2] / "effects" / "captures" / "files" / "convnet_bn.nam"


@pytest.fixture
def folder(make_audio) -> Path:
    """Audio, text that is called audio, and a capture, of hostile names."""
    make_audio("in/plain.wav")
    make_audio(f"in/{HOSTILE}1.wav")
    Path(f"in/{HOSTILE}2.wav").write_text("x")
    content = json.loads(CAPTURE.read_text())
    content["metadata"] = dict.fromkeys(("name", "modeled_by", "gear_make", "gear_model"), HOSTILE)
    Path(f"in/{HOSTILE}.nam").write_text(json.dumps(content))
    return Path("in")


@pytest.mark.parametrize(
    "words",
    [
        ("synth", "{}", "-o", "out"),
        ("synth", "{}", "-o", "out", "--json"),
        ("effect", "{}", "-o", "out", "--processor", "gain"),
        ("mel", "extract", "{}", "-o", "out", "--mel", "hifigan_22k"),
        ("evaluate", "audio", "--ref", "{}", "--gen", "{}", "--metrics", "esr"),
        ("prepare", "folder", "{}", "data", "--dev", "0", "--test", "0"),
        ("models", "{}"),
        ("models", "{}", "--json"),
        ("info", "{}/" + HOSTILE + ".nam"),
        ("info", "{}/" + HOSTILE + ".nam", "--json"),
        ("info", "{}/" + HOSTILE + "2.wav"),
        ("doctor", "{}/" + HOSTILE),
    ],
    ids=lambda words: "-".join(word for word in words if word.isalpha()),
)
def test_no_command_lets_a_name_control_the_terminal(ondes, folder: Path, words) -> None:
    run = ondes(*(word.format(folder) for word in words))
    shown = run.out + run.err
    assert re.findall(r"[^\x20-\x7e\u00a1-\u2027\u2030-\uffff\n\t]", shown) == []
    # The name contains what looks like an error, and no line begins with it.
    assert "\nerror: c" not in shown
    assert not shown.startswith("error: c")


def test_json_remains_json(capsys) -> None:
    say_json({"name": HOSTILE, "other": ["ü"]})
    say_json([HOSTILE], indent=2)
    line, *rest = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"name": HOSTILE, "other": ["ü"]}
    assert json.loads("\n".join(rest)) == [HOSTILE]


def test_lines_and_columns_remain(capsys) -> None:
    say("one\ttwo", "three\n\a")
    say_text("four\nfive\n")
    assert capsys.readouterr().out == "one\ttwo\nthree\\n\\x07\nfour\nfive\n"
