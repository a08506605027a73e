"""The page itself: light to build, offline, with names for everything that can be operated."""

import subprocess
import sys

import numpy as np
import pytest

from demo.clips import drums, example_clips, plucked_strings
from demo.pictures import curves, difference, figure, spectrogram
from demo.widgets import knob_schema, knob_values, live_message, status, table


@pytest.mark.slow
def test_the_page_is_built_without_torch(repository, model_folder, tmp_path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom demo.app import build\n"
        f"demo = build([Path({str(model_folder)!r})])\n"
        "sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    )
    environment = {"GRADIO_TEMP_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr or "the page imports torch or matplotlib"


@pytest.mark.slow
def test_the_demo_never_imports_recipes(repository) -> None:
    code = (
        "import sys, pkgutil, importlib, demo\n"
        "for module in pkgutil.walk_packages(demo.__path__, 'demo.'):\n"
        "    importlib.import_module(module.name)\n"
        "sys.exit(any(name.split('.')[0] == 'recipes' for name in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr or "demo imports recipes"


def test_importing_the_demo_writes_nothing_beside_it(repository) -> None:
    # Gradio writes stubs for modules that derive from its components.
    import demo.app  # noqa: F401

    assert not list((repository / "demo").rglob("*.pyi"))


def test_examples_sound_and_fit_the_limits(tmp_path) -> None:
    from vocoders.core.audio import audio_info

    clips = example_clips(tmp_path)
    assert list(clips) == ["speech", "plucked strings", "drums"]
    for path in clips.values():
        assert 2 < audio_info(path).duration < 10
    for samples in (plucked_strings(), drums()):
        assert 0.5 < np.abs(samples).max() <= 1
        assert np.sqrt(np.mean(samples**2)) > 0.03
        assert abs(samples.mean()) < 0.02


def test_names_from_outside_cannot_become_markup() -> None:
    evil = '<img src=x onerror="alert(1)">'
    levels = np.zeros((4, 4))
    pictures = [
        spectrogram(evil, levels, 0, 1, 8000),
        difference(evil, levels, 1, 8000),
        curves(evil, {evil: (np.arange(3.0), np.arange(3.0))}, (0, 2), (0, 2), ("s", "dB")),
        figure([], evil),
        status(evil, [evil]),
        table([evil], [[evil, evil]], evil),
    ]
    for picture in pictures:
        assert "<img src=x" not in picture
        assert "&lt;img src=x" in picture


def test_a_curve_stops_where_it_is_not_known() -> None:
    y = np.array([0.0, 1, np.nan, 1, 0])
    drawn = curves("level", {"line": (np.arange(5.0), y)}, (0, 4), (0, 1), ("s", "dB"))
    path = drawn.split('class="curve"', 1)[1].split(' d="', 1)[1].split('"', 1)[0]
    assert path.count("M") == 2
    assert path.count("L") == 2
    assert "nan" not in drawn


def test_pictures_say_in_words_what_they_show() -> None:
    assert 'alt="Log-mel spectrogram of A, 1.0 seconds"' in spectrogram("A", np.zeros((4, 4)), 0, 1, 8000)
    assert 'role="img" aria-label="Gain: line"' in curves(
        "Gain", {"line": (np.arange(2.0), np.arange(2.0))}, (0, 1), (0, 1), ("s", "dB")
    )


def test_knob_panels_get_the_whole_schema_and_give_values_back() -> None:
    from effects.processors import PROCESSORS

    for processor in PROCESSORS.values():
        schema = knob_schema(processor.knobs)
        assert [knob["name"] for knob in schema["knobs"]] == list(processor.knobs.names)
        assert knob_values(schema) == processor.knobs.resolve(None)
    assert knob_values({"threshold": -24}) == {"threshold": -24}
    assert knob_values(None) == knob_values("x") == knob_values({"knobs": [], "values": 3}) == {}


def test_live_messages_hold_the_samples() -> None:
    import base64

    message = live_message("run", 8000, 100, 3, [np.array([0.5, -1.0, 1.0])], "running")
    samples = np.frombuffer(base64.b64decode(message["pieces"][0]), "<i2")
    assert samples.tolist() == [16384, -32767, 32767]
    assert (message["index"], message["rate"], message["state"]) == (3, 8000, "running")
