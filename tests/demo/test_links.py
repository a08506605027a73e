"""Links restore what they name, and change nothing else."""

from urllib.parse import urlencode

import gradio as gr
import pytest

from demo.app import build
from demo.links import Restoring


@pytest.fixture(scope="module")
def restoring(tmp_path_factory, model_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("links")))
        page = build([model_folder]).page
    with gr.Blocks():
        return Restoring(page, gr.Tabs())


def restored(restoring: Restoring, **link: str) -> dict:
    tabs, *values = restoring(urlencode(link))
    named = dict(zip(restoring.names, values, strict=True))
    changed = {name: value for name, value in named.items() if value != gr.skip()}
    return changed | ({"tab": tabs["selected"]} if "selected" in tabs else {})


def test_a_vocoder_with_its_options_and_clip(restoring) -> None:
    link = {"tab": "vocoder", "model": "world", "seed": "7", "keep": "true", "f0_scale": "1.25", "clip": "voice"}
    found = restored(restoring, **link)
    assert found.pop("tab") == "vocoder"
    assert found.pop(("vocoder", "clip")).endswith("voice.wav")
    wanted = {"model": "world", "seed": 7, "keep": True, "f0_scale": 1.25}
    assert found == {("vocoder", name): value for name, value in wanted.items()}


def test_an_effect_with_its_knobs(restoring) -> None:
    found = restored(restoring, tab="effects", effect="comp_4c", model="comp4c-tiny", **{"knob.ratio": "4.5"})
    knobs = found[("effects", "knobs")]
    assert knobs["values"]["ratio"] == 4.5
    assert knobs["effect"] == found[("effects", "effect")]["value"] == "comp_4c"
    assert found[("effects", "group")] == "Dynamics"
    # An effect of another group brings its lists.
    found = restored(restoring, tab="effects", effect="biquad_peak", model="")
    assert found[("effects", "group")] == "EQ"
    assert "biquad_peak" in [name for _, name in found[("effects", "effect")]["choices"]]


@pytest.mark.parametrize(
    "link",
    [
        {},
        {"tab": "admin"},
        {"tab": "vocoder", "model": "/etc/passwd", "clip": "../../x", "seed": "many", "unknown": "1"},
        {"tab": "effects", "effect": "nothing", "knob.x": "1"},
        {"tab": "effects", "effect": "comp_4c", "knob.ratio": "loud"},
    ],
)
def test_nonsense_changes_nothing(restoring, link) -> None:
    found = restored(restoring, **link)
    assert set(found) <= {"tab"}
