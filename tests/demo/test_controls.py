"""Controls follow what systems declare, whatever that is; untouched ones change nothing."""

from pathlib import Path
from typing import Literal

import gradio as gr
import pytest

from demo.controls import OptionControls
from demo.library import Entry
from demo.work.options import chosen_options
from vocoders.core.errors import ConfigError
from vocoders.core.options import SynthesisOptions, option
from vocoders.interface import System


class Plain(SynthesisOptions):
    """One option of every kind."""

    steps: int = option(16, dial=(1, 64), gt=0)
    """Steps."""
    warmth: float = option(0.125, dial=(0, 1), title="Warmth of sound")
    """Warmth."""
    colour: Literal["red", "blue"] = option("blue")
    """Colour."""
    loud: bool = option(False)
    """Loudness."""
    factors: tuple[float, float] = option((1.1, 0.9))
    """Factors."""


class Optional(SynthesisOptions):
    """The same, where nothing is a value too."""

    steps: int | tuple[int, ...] | None = option(None, dial=(1, 64))
    """Steps of one or all."""
    warmth: float = option(0.5, dial=(0, 2))
    """Warmth."""
    colour: Literal["green"] | None = option(None)
    """Colour."""
    loud: bool | None = option(None)
    """Loudness."""
    factors: tuple[float, ...] | None = option(None)
    """Factors."""


class _System(System):
    kind, sample_rate, fingerprint = "vocoder", 8000, "none"

    def __init__(self, options: SynthesisOptions) -> None:
        self.options_class, self._options = type(options), options

    @property
    def default_options(self) -> SynthesisOptions:
        return self._options


def entry_of(name: str, options: SynthesisOptions) -> Entry:
    return Entry(name, "vocoder", "toy", "Toy", Path("."), declared=options.declared(), options=options)


def controls_of(*entries: Entry) -> dict[str, gr.components.Component]:
    with gr.Blocks():
        controls = OptionControls(entries, "toy")
    return dict(zip(controls.names, controls.controls, strict=True))


def test_each_kind_of_option_has_its_control() -> None:
    kinds = {name: type(control) for name, control in controls_of(entry_of("a", Plain())).items()}
    text, slider = gr.Textbox, gr.Slider
    assert kinds == {"steps": slider, "warmth": slider, "colour": gr.Dropdown, "loud": gr.Checkbox, "factors": text}
    kinds = {name: type(control) for name, control in controls_of(entry_of("b", Optional())).items()}
    choice = gr.Dropdown
    assert kinds == {"steps": text, "warmth": slider, "colour": choice, "loud": choice, "factors": text}


def test_a_control_serves_every_system_that_declares_its_option() -> None:
    shared = controls_of(entry_of("a", Plain(warmth=0.25)), entry_of("b", Optional(warmth=3.0)))
    assert (shared["warmth"].minimum, shared["warmth"].maximum) == (0, 3)
    assert (shared["warmth"].value, shared["warmth"].label) == (0.25, "Warmth of sound")
    assert [value for _, value in shared["colour"].choices] == ["", "red", "blue", "green"]
    assert shared["steps"].value == "16"
    only = controls_of(entry_of("c", SynthesisOptions()), entry_of("b", Optional()))
    assert not any(control.visible for control in only.values())


@pytest.mark.parametrize(
    "options", [Plain(steps=100, warmth=0.3), Optional(), Optional(loud=True, factors=(0.1, 1e-7))]
)
def test_untouched_controls_change_nothing(options: SynthesisOptions) -> None:
    entries = [entry_of("first", Plain(steps=3)), entry_of("chosen", options)]
    with gr.Blocks():
        controls = OptionControls(entries, "toy")
    shown = [controls._shown["chosen"][name]["value"] for name in controls.names]
    assert controls.changed("chosen", shown) == {}
    # What the page shows says the same as the system, too.
    given = dict(zip(controls.names, shown, strict=True))
    assert chosen_options(_System(options), given) == options
    assert controls.changed("first", shown).keys() <= set(Plain.model_fields)
    assert controls.changed("unknown", shown) == {}


def test_touched_controls_and_texts_are_understood() -> None:
    system = _System(Optional())
    given = {"steps": "4", "colour": "green", "loud": "true", "factors": "[0.5, 0.25]"}
    assert chosen_options(system, given) == Optional(steps=4, colour="green", loud=True, factors=(0.5, 0.25))
    assert chosen_options(system, {"steps": "1,2,3"}).steps == (1, 2, 3)
    assert chosen_options(_System(Optional(factors=(1.0,))), {"factors": "none"}).factors is None
    assert chosen_options(_System(Plain()), {"steps": 4.0}).steps == 4


@pytest.mark.parametrize(
    "given",
    [
        {"steps": 65},
        {"steps": 0},
        {"steps": "64,65"},
        {"steps": 2.5},
        {"steps": True},
        {"steps": [1, "x"]},
        {"steps": {}},
        {"warmth": float("nan")},
        {"warmth": "warm"},
        {"warmth": "1,5"},
        {"colour": "pink"},
        {"loud": "very"},
        {"factors": "1,x"},
        {"stps": 3},
    ],
)
def test_impossible_values_are_refused(given) -> None:
    with pytest.raises(ConfigError):
        chosen_options(_System(Optional()), given)
    # An own value beyond the dial widens it.
    assert chosen_options(_System(Optional(steps=99)), {"steps": 99}).steps == 99
