"""Tab Effects: a clip through a processor, and through a model of it."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from demo.folders import result_file
from demo.library import Library, target_processor
from demo.limits import MAX_SECONDS
from demo.measures import frequency_gain_db, gain_over_time_db, null_depth_db
from demo.messages import guarded
from demo.pictures import curves, figure
from demo.sound import common_gain, to_integers
from demo.tabs import EFFECT, Page
from demo.widgets import clip_input, file_input, knob_panel, knob_schema, knob_values, plain_html, status, table
from effects.captures.names import CAPTURE_SUFFIXES
from vocoders.core.errors import ConfigError
from vocoders.core.measures import level_db

if TYPE_CHECKING:
    from demo.work.apply import Rendering

__all__ = ["build"]

_NO_MODEL = ""
_DEFAULT_EFFECT = "comp_4c"


def build(page: Page) -> Any:
    """Lay out the tab; return the function and the components that fill its lists once torch is imported."""
    library = page.library
    gr.Markdown(
        "Turn the knobs of an effect and compare it with a learned model, if there is one. "
        "Knobs accept the keyboard and typed values such as 5 ms or 1.2 kHz; a double click resets a knob.",
        elem_classes="ondes-note",
    )
    with gr.Row():
        with gr.Column(min_width=300):
            examples, names = page.examples("plucked strings", "drums", "speech")
            audio = clip_input(label=f"Clip (at most {MAX_SECONDS:g} s)", value=examples[0][0], elem_id="effects-clip")
            gr.Examples(examples, audio, label="Example clips", example_labels=names, api_visibility="private")
        with gr.Column(min_width=300):
            with gr.Row():
                effect = gr.Dropdown(
                    [], label="Effect", elem_id="effects-effect", min_width=200, allow_custom_value=True
                )
                model = gr.Dropdown(
                    [], label="Learned model", elem_id="effects-model", min_width=200, allow_custom_value=True
                )
            with gr.Accordion("Capture of an amplifier or a pedal", open=False, elem_id="effects-captures"):
                capture = file_input(
                    CAPTURE_SUFFIXES,
                    label="Your file (.nam, or .json of GuitarML or AIDA-X), in place of the effect",
                    height=110,
                    elem_id="effects-capture",
                )
            knobs = knob_panel(elem_id="effects-knobs")
            live = gr.Checkbox(True, label="Live", info="Render when a knob is released", elem_id="effects-live")
            run = gr.Button("Render", variant="primary", elem_id="effects-run")
    told = plain_html(status("Press Render, or turn a knob."), elem_id="effects-status")
    with gr.Row():
        options = {"interactive": False, "buttons": ["download"], "min_width": 220}
        dry = gr.Audio(label="Clip", elem_id="effects-dry", **options)
        true = gr.Audio(label="Processor", elem_id="effects-true", **options)
        learned = gr.Audio(label="Learned model", elem_id="effects-learned", visible=False, **options)
        null = gr.Audio(label="Difference", elem_id="effects-null", **options)
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            picture = plain_html(elem_id="effects-picture")
        with gr.Column(scale=1, min_width=240):
            levels = plain_html(elem_id="effects-levels")

    inputs, outputs = [audio, effect, model, knobs, capture], [dry, true, learned, null, told, picture, levels]
    handler = _make_handler(library)
    queued = {**EFFECT, "show_progress": "hidden"}
    run.click(handler, inputs, outputs, api_name="effect", **queued)
    knobs.release(
        _when_live(handler), [live, *inputs], outputs, trigger_mode="always_last", api_visibility="private", **queued
    )
    chosen = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    effect.input(lambda name: _choose_effect(library, name), effect, [model, knobs], **chosen)
    effect.input(lambda name: _describe(name), effect, told, **chosen)
    choose_capture = _make_capture_handler(library)
    for event in (capture.upload, capture.clear):
        event(choose_capture, [effect, model, capture], [knobs, told], **chosen)
    return lambda: _fill(library), [effect, model, knobs]


def _fill(library: Library) -> tuple[Any, ...]:
    """Return lists and knobs for the first effect; needs torch."""
    from demo.work.apply import processor_knobs

    own, names = _targets(library), list(processor_knobs())
    choices = [(_title(name, bool(own.get(name))), name) for name in names]
    choices += [(f"{entry.name} (learned, without its processor)", entry.name) for entry in _orphans(library)]
    with_model = [name for name in names if own.get(name)]
    first = _DEFAULT_EFFECT if _DEFAULT_EFFECT in with_model or not with_model else with_model[0]
    return gr.update(choices=choices, value=first, allow_custom_value=False), *_choose_effect(library, first)


def _choose_effect(library: Library, effect: str) -> tuple[Any, ...]:
    from demo.work.apply import knobs_of

    models = _models_of(library, effect)
    choices = [("none", _NO_MODEL)] if effect not in library.entries else []
    choices += [(library.entry(name).label, name) for name in models]
    value = models[0] if models else _NO_MODEL
    knobs = knobs_of(library, effect, value or None)
    shown = gr.update(choices=choices, value=value, allow_custom_value=False, interactive=bool(models))
    return shown, knob_schema(knobs)


def _make_capture_handler(library: Library) -> Any:
    @guarded()
    def choose(effect: str, model: str | None, capture: str | None) -> tuple[Any, str]:
        """Return the knobs of a capture and its description; without one, those of the effect."""
        from demo.work.apply import find_network, knobs_of

        knobs = knob_schema(knobs_of(library, effect, model or None, capture))
        network = find_network(library, None, capture)
        if network is None or network.capture is None:
            return knobs, _describe(effect)
        facts = network.capture
        shown = [facts.name, facts.gear_make, facts.gear_model, facts.tone_type, f"{network.sample_rate / 1000:g} kHz"]
        return knobs, status(f"Capture: {facts.architecture}, {', '.join(text for text in shown if text)}.")

    return choose


def _describe(effect: str) -> str:
    from effects.processors import PROCESSORS

    if effect not in PROCESSORS:
        return status("A learned model without its processor.")
    first = (type(PROCESSORS[effect]).__doc__ or "").strip().split("\n")[0]
    return status(first.replace("``", ""))


def _title(processor: str, has_model: bool) -> str:
    title = processor.replace("_", " ")
    return f"{title} + learned" if has_model else title


def _targets(library: Library) -> dict[str, list[str]]:
    """Return the learned models of each processor."""
    from demo.work.apply import processor_knobs

    knobs = processor_knobs()
    targets: dict[str, list[str]] = {}
    for entry in library.of_kind("effect"):
        if (name := target_processor(entry, knobs)) is not None:
            targets.setdefault(name, []).append(entry.name)
    return targets


def _orphans(library: Library) -> list[Any]:
    known = {name for names in _targets(library).values() for name in names}
    return [entry for entry in library.of_kind("effect") if entry.name not in known]


def _models_of(library: Library, effect: str) -> list[str]:
    return [effect] if effect in library.entries else _targets(library).get(effect, [])


def _when_live(handler: Any) -> Any:
    def respond(live: bool, *inputs: Any) -> Iterator[tuple[Any, ...]]:
        if live:
            yield from handler(*inputs)
        else:
            yield tuple(gr.skip() for _ in range(7))

    return respond


def _make_handler(library: Library) -> Any:
    @guarded(told=4, outputs=7)
    def effect(
        audio: str | None, effect: str, model: str | None = "", knobs: Any = None, capture: str | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Render a clip; return the processor first, then the model, then pictures and levels."""
        from demo.work.apply import apply_learned, apply_true, find_network, knobs_of, read_dry, resolve_knobs
        from effects.processors import PROCESSORS

        model, capture = model or None, capture or None
        if capture is None and model is not None and model not in _models_of(library, effect):
            raise ConfigError(
                f"model '{str(model)[:80]}' does not imitate '{str(effect)[:80]}'; choose one from its list"
            )
        settings = resolve_knobs(knobs_of(library, effect, model, capture), knob_values(knobs))
        network = find_network(library, model, capture)
        clip = read_dry(audio, network)
        dry, wets = clip.audio.numpy(), {}
        if capture is None and effect in PROCESSORS:
            wets["true"] = apply_true(effect, clip.audio, clip.sample_rate, settings)
            if network is not None:
                # The processor's output plays while the model computes.
                first = common_gain([dry, wets["true"].audio])
                early = {"clip": dry * first, "true": wets["true"].audio * first}
                players = [result_file(to_integers(x), clip.sample_rate, name) for name, x in early.items()]
                yield *players, *(gr.skip() for _ in range(5))
        is_inverse = "true" in wets and PROCESSORS[effect].is_inverse
        if network is not None:
            source = clip.audio
            if is_inverse:
                # These models undo the effect: the processor's output is their input, and the clip their target.
                import torch

                source = torch.from_numpy(wets["true"].audio)
            wets["learned"] = apply_learned(network, model or "capture", source, clip.sample_rate, settings)
        yield _outputs(dry, wets, clip.sample_rate, clip.remarks, is_inverse)

    return effect


def _outputs(
    dry: np.ndarray, wets: dict[str, "Rendering"], rate: int, remarks: tuple[str, ...], is_inverse: bool
) -> tuple[Any, ...]:
    """Return the outputs of a rendering, in the order of the components."""
    audio = {"clip": dry} | {name: wet.audio for name, wet in wets.items()}
    if {"true", "learned"} <= wets.keys():
        target = "clip" if is_inverse else "true"
        audio["null"], null_name = audio["learned"] - audio[target], f"learned − {target}"
    else:
        target, wet = "clip", next(iter(wets))
        audio["null"], null_name = audio[wet] - dry, "effect − clip"
    gain = common_gain(list(audio.values()))
    if gain < 1:
        remarks += (f"all players are attenuated by {-20 * math.log10(gain):.1f} dB: the effect exceeds full scale",)
    files = {"clip": "clip", "true": "true_effect", "learned": "learned_effect", "null": "difference"}
    players = {name: result_file(to_integers(x * gain), rate, files[name]) for name, x in audio.items()}
    seconds = dry.shape[-1] / rate
    times = " and ".join(f"{name} effect in {1000 * wet.seconds:.0f} ms" for name, wet in wets.items())
    return (
        players["clip"],
        gr.update(value=players.get("true"), visible="true" in players),
        gr.update(value=players.get("learned"), visible="learned" in players),
        gr.update(value=players["null"], label=f"Difference: {null_name}"),
        status(f"{seconds:.2f} s of audio: {times}.", remarks),
        _picture({name: x.mean(axis=0) for name, x in audio.items() if name != "null"}, rate, seconds),
        _levels(audio, target, null_name),
    )


def _picture(audio: dict[str, np.ndarray], rate: int, seconds: float) -> str:
    dry = audio["clip"]
    wets = {f"{name} effect": x for name, x in audio.items() if name != "clip"}
    times = {}
    for name, wet in wets.items():
        gain = gain_over_time_db(wet, dry, rate)
        times[name] = np.linspace(0, seconds, len(gain)), gain
    spectra = {name: frequency_gain_db(wet, dry, rate) for name, wet in wets.items()}
    panels = [
        curves("Gain over time", times, (0, seconds), _span([y for _, y in times.values()]), ("s", "dB")),
        curves(
            "Gain over frequency",
            spectra,
            (20, 0.49 * rate),
            _span([y for _, y in spectra.values()]),
            ("Hz", "dB"),
            log_x=True,
        ),
    ]
    caption = (
        "Level of the effect relative to the clip, over time in frames of 10 ms or more (gain reduction), and over "
        "frequency in sixths of an octave."
    )
    return figure(panels, caption)


def _span(values: list[np.ndarray]) -> tuple[float, float]:
    """Return the range of an axis in dB that includes the values and 0, but nothing below -48 dB."""
    finite = np.concatenate([y[np.isfinite(y)] for y in values] or [np.zeros(1)])
    low, high = (float(np.percentile(finite, q)) for q in (1, 99)) if finite.size else (0.0, 0.0)
    low, high = max(-48.0, min(low, 0.0)) - 1.5, min(48.0, max(high, 0.0)) + 1.5
    return 3 * math.floor(low / 3), 3 * math.ceil(high / 3)


def _levels(audio: dict[str, np.ndarray], target: str, null_name: str) -> str:
    rows = []
    for name, x in audio.items():
        title = null_name if name == "null" else name
        rows.append([title, _decibel_text(level_db(x)), _decibel_text(20 * math.log10(max(np.abs(x).max(), 1e-6)))])
    depth = null_depth_db(audio["null"] + audio[target], audio[target])
    rows.append([f"null test: difference to {target}", f"{_decibel_text(depth)} dB", ""])
    return table(["Level in dBFS", "RMS", "Peak"], rows, "Levels and null test", numbers=(1, 2))


def _decibel_text(value: float) -> str:
    return f"{value:.1f}".replace("-", "−") if math.isfinite(value) else "−∞"
