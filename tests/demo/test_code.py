"""The code that the page shows makes the sounds that the page plays."""

import shlex

import numpy as np
import pytest
from demo_server import buzz, write_clip

from demo.code import effect_about, generate_about, vocode_about
from demo.library import Library, find_entries
from demo.work.apply import render_clip
from demo.work.generate import Draw, draw
from demo.work.vocode import Settings, vocode
from recipes.cli.main import main
from vocoders.core.audio import read_audio


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(find_entries())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def heard(about, name: str, by: str) -> np.ndarray:
    """Run the commands or the Python lines; return the file that they write."""
    if by == "shell":
        for line in about.shell.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "ondes"
            assert main(arguments) == 0
    else:
        exec(about.python, {})
    return read_audio(name)[0].numpy()


@pytest.mark.parametrize("by", ["shell", "python"])
def test_a_vocoder(library, folder, by) -> None:
    clip = write_clip(folder / "clip.wav", 0.7 * buzz(0.6, 44100), 44100)
    options = {"f0_scale": 1.2, "mel_refinement": "2"}
    about = vocode_about([library.entry("wavehax-24k")], options, 5, {})
    found = heard(about, "wavehax-24k.wav", by)[0]
    played = vocode(library, Settings("wavehax-24k", options, 5), str(clip), lambda fraction: None).result
    assert len(found) == len(played)
    assert np.corrcoef(found, played)[0, 1] > 0.99999


def test_a_generator_after_a_prompt(library, folder) -> None:
    clip = write_clip(folder / "prompt.wav", 0.7 * buzz(0.6))
    about = generate_about(library.entry("sashimi-digits-8k"), 0.1, [9], "two", {"temperature": 0.9}, 0.25, {})
    request = Draw("sashimi-digits-8k", 0.1, {"temperature": 0.9}, 9, str(clip), 0.25, "two")
    drawn = np.concatenate([piece.samples for piece in draw(library, request, lambda: False)])
    assert np.abs(heard(about, "9.wav", "python")[0] - drawn).max() < 1e-4
    note, line = about.shell.splitlines()
    assert "0.25" in note
    assert shlex.split(line)[:3] == ["ondes", "generate", "-o"]


@pytest.mark.parametrize("by", ["shell", "python"])
def test_an_effect_and_a_model_of_it(library, folder, by) -> None:
    clip = write_clip(folder / "clip.wav", 0.7 * buzz(0.6, 44100), 44100)
    knobs = {"threshold": -20.0, "ratio": 4.0, "attack": 0.005, "release": 0.02}
    done = render_clip(library, str(clip), "comp_4c", "comp4c-graybox", knobs, None)
    about = effect_about("comp_4c", "comp4c-graybox", done.knobs, {})
    true = heard(about, "comp_4c.wav", by)
    assert np.abs(true - done.wets["true"].audio).max() < 1e-4
    learned = read_audio("learned.wav")[0].numpy()
    assert np.abs(learned - done.wets["learned"].audio).max() < 1e-4
