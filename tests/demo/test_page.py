"""The page itself: light to build, offline, with names for everything that can be operated."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest

from demo.clips import example_clips
from demo.players import SCRIPTS, About, Line, Track, pack_results, player_message
from demo.presets import GROUPS, MORE, PRESETS, group_of, groups_of
from demo.synthesis import band, bass, drums, plucked_strings, voice
from demo.widgets import knob_schema, knob_values, live_message, status, table
from vocoders.core.errors import ConfigError


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


@pytest.mark.parametrize(
    "start",
    [
        "import runpy; runpy.run_module('demo', run_name='__main__')",
        "from recipes.cli.main import main; sys.exit(main(['demo', '--port', '7861']))",
    ],
)
def test_without_gradio_the_demo_ends_in_one_line(start, repository, tmp_path) -> None:
    command = [sys.executable, "-c", f"import sys; sys.modules['gradio'] = None; {start}"]
    environment = {"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(repository)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "pip install 'ondes[demo]'" in result.stderr
    assert not [*tmp_path.iterdir()]


def test_importing_the_demo_writes_nothing_beside_it(repository) -> None:
    # Gradio writes stubs for modules that derive from its components.
    import demo.app  # noqa: F401

    assert not list((repository / "demo").rglob("*.pyi"))


def test_examples_sound_and_fit_the_limits(tmp_path) -> None:
    from vocoders.core.audio import audio_info

    clips = example_clips(tmp_path)
    assert list(clips) == ["speech", "plucked strings", "drums", "bass", "voice", "band"]
    for path in clips.values():
        assert path.is_relative_to(tmp_path)
        assert 2 < audio_info(path).duration < 10
    for samples in (plucked_strings(), drums(), bass(), voice(), band()):
        assert 0.5 < np.abs(samples).max() <= 1
        assert np.sqrt(np.mean(samples**2)) > 0.03
        assert abs(samples.mean()) < 0.02
    assert audio_info(clips["band"]).channels == 2


def test_the_sung_voice_has_the_pitch_of_its_notes() -> None:
    from vocoders.frontends.f0 import F0Config, extract_f0

    f0 = extract_f0(voice(24000).astype(np.float32), 24000, 240, F0Config())
    for second, semitone in enumerate([0, 3, 7, 5]):
        part = f0[100 * second + 20 : 100 * second + 80]
        assert np.median(part[part > 0]) == pytest.approx(130.8 * 2 ** (semitone / 12), rel=0.02)


def test_names_from_outside_cannot_become_markup() -> None:
    evil = '<img src=x onerror="alert(1)">'
    for text in (status(evil, [evil]), table([evil, evil], [[evil, evil]], evil)):
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text
    # Scripts write texts, and no markup of what the server sends.
    assert "innerHTML" not in SCRIPTS.replace("turn.innerHTML", "").replace("this.node.innerHTML", "")


def test_knob_panels_get_the_whole_schema_and_give_values_back() -> None:
    from effects.processors import PROCESSORS

    for processor in PROCESSORS.values():
        schema = knob_schema(processor.knobs)
        assert [knob["name"] for knob in schema["knobs"]] == list(processor.knobs.names)
        assert knob_values(schema) == processor.knobs.resolve(None)
    assert knob_values({"threshold": -24}) == {"threshold": -24}
    assert knob_values(None) == knob_values("") == {}
    for wrong in ("x", [0.5, 3], 3, {"knobs": [], "values": 3}):
        with pytest.raises(ConfigError, match="by name"):
            knob_values(wrong)


def test_every_effect_has_one_group_and_presets_are_within_the_knobs() -> None:
    from effects.processors import PROCESSORS

    listed = [name for names in GROUPS.values() for name in names]
    assert len(listed) == len(set(listed))
    assert set(PROCESSORS) <= set(listed), "an effect of ours is in no group"
    assert group_of("of an installed package") == MORE
    assert groups_of(["delay", "comp_4c", "x"]) == ["Dynamics", "Echo", MORE]
    for name, presets in PRESETS.items():
        for values in presets.values():
            knobs = PROCESSORS[name].knobs
            assert all(knobs[knob].min <= value <= knobs[knob].max for knob, value in values.items())


def test_results_are_packed_with_their_settings(tmp_path, monkeypatch) -> None:
    import gradio as gr

    from demo.folders import result_file

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    path = result_file(np.arange(100, dtype=np.int16), 8000, "clip")
    about = About("ondes synth", "import vocoders", {"seed": 3}, {"tab": "vocoder"})
    message = player_message(
        [Track("../../evil", "Clip", path)], ["spectrogram"], [Line("x", 0.01, [0.0])], about=about
    )
    packed = pack_results(message)
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["01_.._.._evil.wav", "README.md"]
        text = archive.read("README.md").decode()
    assert all(part in text for part in ("ondes synth", "import vocoders", '"seed": 3'))
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"x")
    message["tracks"][0]["path"] = str(secret)
    with pytest.raises(gr.Error, match="not uploaded"):
        pack_results(message)


def test_live_messages_hold_the_samples() -> None:
    import base64

    message = live_message("run", 8000, 100, 3, [np.array([0.5, -1.0, 1.0])], "running")
    samples = np.frombuffer(base64.b64decode(message["pieces"][0]), "<i2")
    assert samples.tolist() == [16384, -32767, 32767]
    assert (message["index"], message["rate"], message["state"]) == (3, 8000, "running")
