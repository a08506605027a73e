"""Tab Effects: a clip through a processor, and through a model of it."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from demo.code import effect_about, model_argument
from demo.folders import result_file, shared_file
from demo.library import Library, target_processor
from demo.limits import MAX_SECONDS
from demo.measures import null_depth_db
from demo.messages import guarded
from demo.players import Track, player, player_message
from demo.presets import GROUPS, MORE, PRESETS, group_of, title_of
from demo.sound import equal_gains_db, to_integers
from demo.tabs import EFFECT, Page
from demo.widgets import clip_input, file_input, knob_panel, knob_schema, knob_values, plain_html, status, table
from effects.captures.names import CAPTURE_SUFFIXES
from vocoders.core.errors import ConfigError, OndesError
from vocoders.core.measures import level_db

if TYPE_CHECKING:
    from demo.work.apply import Rendered

__all__ = ["build"]

_NO_MODEL = ""
_FIRST_EFFECT = "comp_4c"
_LABELS = {"clip": "Dry", "true": "True", "learned": "Learned", "null": "Difference"}
_STALE = "() => ondes.stale('effects-player')"


def build(page: Page) -> Any:
    """Lay out the tab; return the function and the components that fill its lists once torch is imported."""
    gr.Markdown(
        "Play, and turn the knobs: drag them, use the wheel, the arrow keys, or type 5 ms or 1.2 kHz; a double click "
        "resets. The switch compares the dry clip, the effect and a learned model of it.",
        elem_classes="ondes-note",
    )
    with gr.Row():
        with gr.Column(min_width=300):
            examples, names = page.examples("drums", "bass", "plucked strings", "voice", "band", "speech")
            audio = clip_input(label=f"Clip (at most {MAX_SECONDS:g} s)", value=examples[0][0], elem_id="effects-clip")
            gr.Examples(examples, audio, label="Example clips", example_labels=names, api_visibility="private")
            with gr.Accordion("Capture of an amplifier or a pedal", open=False, elem_id="effects-captures"):
                capture = file_input(
                    CAPTURE_SUFFIXES,
                    label="Your file (.nam, or .json of GuitarML or AIDA-X), in place of the effect",
                    height=110,
                    elem_id="effects-capture",
                )
        with gr.Column(min_width=300):
            group = gr.Radio([*GROUPS, MORE], value=group_of(_FIRST_EFFECT), label="Group", elem_id="effects-group")
            with gr.Row():
                lists = {"min_width": 220, "allow_custom_value": True}
                effect = gr.Dropdown([], label="Effect", elem_id="effects-effect", **lists)
                model = gr.Dropdown([], label="Learned model", elem_id="effects-model", **lists)
            knobs = knob_panel(elem_id="effects-knobs")
            with gr.Row():
                live = gr.Checkbox(True, label="Live: render while knobs move", elem_id="effects-live", min_width=160)
                run = gr.Button("Render", variant="primary", elem_id="effects-run", min_width=120)
    told = plain_html(status("Press Render, or turn a knob."), elem_id="effects-status")
    shown = player(elem_id="effects-player", every=False)
    levels = plain_html(elem_id="effects-levels")

    handlers = _Handlers(page)
    inputs, outputs = [audio, effect, model, knobs, capture], [shown, told, levels]
    chosen = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    queued = {**EFFECT, "show_progress": "hidden", "api_visibility": "private"}
    run.click(handlers.render, inputs, outputs, **queued)
    live_inputs = [live, *inputs]
    knobs.release(handlers.render_live, live_inputs, outputs, trigger_mode="always_last", **queued)
    model.input(handlers.render_live, live_inputs, outputs, trigger_mode="always_last", **queued)
    audio.change(handlers.render_live, live_inputs, outputs, trigger_mode="always_last", **queued)
    picked = group.input(handlers.choose_group, group, [effect, model, knobs, told], **chosen)
    named = effect.input(handlers.choose_effect, effect, [model, knobs, told], **chosen)
    changed = [capture.upload, capture.clear]
    held = [event(handlers.choose_capture, [effect, model, capture], [knobs, told], **chosen) for event in changed]
    for event in (picked, named, *held):
        event.then(handlers.render_live, live_inputs, outputs, **queued)
    gr.on([audio.change, effect.input, group.input, *changed], None, None, None, js=_STALE, **chosen)
    _build_endpoints(handlers, inputs)
    page.restorable["effects"] = {"clip": audio, "group": group, "effect": effect, "model": model, "knobs": knobs}
    page.restorers["effects"] = handlers.restore
    page.rendered["effects"] = (handlers.render, inputs, outputs)
    page.first_results["effects"] = (handlers.first, outputs)
    return handlers.fill, [effect, model, knobs]


def _build_endpoints(handlers: "_Handlers", inputs: list[Any]) -> None:
    files = [gr.Audio(label=name, visible=False) for name in _LABELS]
    texts = [gr.HTML(visible=False, label=name) for name in ("status", "levels")]
    gr.on([], handlers.endpoint, inputs, [*files, *texts], **EFFECT, api_name="effect")
    gr.on([], handlers.list_effects, None, gr.JSON(visible=False), api_name="effects", queue=False)


class _Handlers:
    """What the events of the tab call."""

    def __init__(self, page: Page) -> None:
        self.page, self.library = page, page.library
        self.endpoint = guarded()(self._effect)
        self.render = guarded(told=1, outputs=3)(self._render)
        self.choose_capture = guarded()(self._choose_capture)

    def list_effects(self) -> dict[str, Any]:
        """Return the effects by name: their knobs, and the learned models of each."""
        from effects.processors import PROCESSORS

        own = _targets(self.library)
        listed: dict[str, Any] = {
            name: {"knobs": [knob.model_dump() for knob in PROCESSORS[name].knobs.knobs], "models": own.get(name, [])}
            for name in _processors()
        }
        for entry in _orphans(self.library):
            knobs = (entry.config.get("knobs") or {}).get("knobs") or []
            listed[entry.name] = {"knobs": knobs, "models": [entry.name]}
        return listed

    def fill(self) -> tuple[Any, ...]:
        """Return lists and knobs for the first effect; needs torch."""
        found = self._choose(_FIRST_EFFECT)
        return gr.update(choices=self._effects_of(group_of(_FIRST_EFFECT)), value=_FIRST_EFFECT), *found

    def choose_group(self, group: str) -> tuple[Any, ...]:
        """Return the effects of a group, and the models and knobs of the first one."""
        choices = self._effects_of(group)
        if not choices:
            return gr.skip(), gr.skip(), gr.skip(), status("Nothing of this group is installed.")
        first = choices[0][1]
        return gr.update(choices=choices, value=first), *self._choose(first), _describe(first)

    def choose_effect(self, effect: str) -> tuple[Any, ...]:
        """Return the models and knobs of an effect."""
        return *self._choose(effect), _describe(effect)

    def restore(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return what a link changes: lists, model and knobs of its effect; nothing if they cannot be."""
        from demo.work.apply import knobs_of

        effect, model = given.get("effect", ""), given.get("model") or ""
        values = {name.removeprefix("knob."): value for name, value in given.items() if name.startswith("knob.")}
        try:
            _check_names(self.library, effect, model or None)
            knobs = knobs_of(self.library, effect, model or None).resolve(values)
        except OndesError:
            return {}
        models, schema = self._choose(effect)
        group = group_of(effect)
        return {
            "group": group,
            "effect": gr.update(choices=self._effects_of(group), value=effect),
            "model": models | {"value": model},
            "knobs": schema | {"values": knobs},
        }

    def _choose(self, effect: str) -> tuple[Any, ...]:
        from demo.work.apply import knobs_of

        models = _models_of(self.library, effect)
        choices = [("none", _NO_MODEL)] if effect not in self.library.entries else []
        choices += [(self.library.entry(name).label, name) for name in models]
        value = models[0] if models else _NO_MODEL
        knobs = knobs_of(self.library, effect, value or None)
        shown = gr.update(choices=choices, value=value, interactive=bool(models))
        return shown, knob_schema(knobs, effect, PRESETS.get(effect))

    def _choose_capture(self, effect: str, model: str | None, capture: str | None) -> tuple[Any, str]:
        """Return the knobs of a capture and its description; without one, those of the effect."""
        from demo.work.apply import find_network, knobs_of

        knobs = knob_schema(knobs_of(self.library, effect, model or None, capture), capture or effect)
        network = find_network(self.library, None, capture)
        if network is None or network.capture is None:
            return knobs, _describe(effect)
        facts = network.capture
        shown = [facts.name, facts.gear_make, facts.gear_model, facts.tone_type, f"{network.sample_rate / 1000:g} kHz"]
        return knobs, status(f"Capture: {facts.architecture}, {', '.join(text for text in shown if text)}.")

    def _effects_of(self, group: str) -> list[tuple[str, str]]:
        own, names = _targets(self.library), _processors()
        listed = [name for name in GROUPS.get(group, ()) if name in names]
        if group == MORE:
            listed = [name for name in names if group_of(name) == MORE]
        choices = [(title_of(name) + (" + learned" if own.get(name) else ""), name) for name in listed]
        if group == MORE:
            choices += [
                (f"{entry.name} (learned, without its processor)", entry.name) for entry in _orphans(self.library)
            ]
        return choices

    def _compute(self, audio: Any, effect: Any, model: Any, knobs: Any, capture: Any) -> "Rendered":
        from demo.work.apply import render_clip

        if capture is None or capture == "":
            _check_names(self.library, effect, model or None)
        given = knob_values(knobs)
        return render_clip(self.library, audio, effect, model or None, given, capture or None)

    def _effect(
        self,
        audio: str | None,
        effect: str = _FIRST_EFFECT,
        model: str | None = "",
        knobs: Any = None,
        capture: str | None = None,
    ) -> tuple[Any, ...]:
        """Render a clip by an effect and a learned model; return the clip, both results and their difference as files.

        ``/effects`` lists effects, models and knobs; knobs are given by name, as numbers or texts: {"attack": "5ms"}.
        """
        done = self._compute(audio, effect, model, knobs, capture)
        files = {track.name: track.path for track in _tracks(done)}
        return *(files.get(name) for name in _LABELS), _summary(done), _levels(done)

    def _render(
        self, audio: str | None, effect: str, model: str | None, knobs: Any, capture: str | None
    ) -> tuple[Any, ...]:
        done = self._compute(audio, effect, model, knobs, capture)
        link = {"tab": "effects", "effect": effect, "model": model or ""} | self.page.clip_link(audio)
        link |= {f"knob.{name}": f"{value:.6g}" for name, value in done.knobs.items()}
        true = effect if "true" in done.wets else None
        learned = None if "learned" not in done.wets else "your_capture.nam" if capture else None
        if "learned" in done.wets and learned is None:
            learned = model_argument(self.library.entry(model or ""))
        about = effect_about(true, learned, done.knobs, link)
        message = player_message(_tracks(done), ["gain", "spectrogram"], about=about, prefer=next(iter(done.wets)))
        return message, _summary(done), _levels(done)

    def render_live(self, live: bool, *inputs: Any) -> tuple[Any, ...]:
        """Render if the page is live."""
        return self.render(*inputs) if live and inputs[0] else tuple(gr.skip() for _ in range(3))

    def first(self) -> tuple[Any, ...]:
        """Return what the page shows when it opens."""
        models = _models_of(self.library, _FIRST_EFFECT)
        return self.render(self.page.first_clip("drums"), _FIRST_EFFECT, models[0] if models else "", {}, None)


def _check_names(library: Library, effect: Any, model: Any) -> None:
    if not isinstance(effect, str) or effect not in _processors() and effect not in library.entries:
        raise ConfigError(f"no effect '{str(effect)[:80]}' here; choose one from the list: {', '.join(_processors())}")
    if model is not None and model not in _models_of(library, effect):
        raise ConfigError(f"model '{str(model)[:80]}' does not imitate '{effect[:80]}'; choose one from its list")


def _describe(effect: str) -> str:
    from effects.processors import PROCESSORS

    if effect not in PROCESSORS:
        return status("A learned model without its processor.")
    first = (type(PROCESSORS[effect]).__doc__ or "").strip().split("\n")[0]
    return status(first.replace("``", ""))


def _processors() -> dict[str, tuple[str, ...]]:
    from demo.work.apply import processor_knobs

    return processor_knobs()


def _targets(library: Library) -> dict[str, list[str]]:
    """Return the learned models of each processor."""
    knobs = _processors()
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


def _tracks(done: "Rendered") -> list[Track]:
    """Write the clips of a rendering below full scale, with gains that restore and that equal their levels."""
    audio = done.audio
    ceilings = {name: min(1.0, 0.98 / max(float(np.abs(x).max()), 1e-9)) for name, x in audio.items()}
    common = min(ceilings.values())
    equal = equal_gains_db([audio[name] for name in audio if name != "null"], done.sample_rate)
    gains = dict(zip([name for name in audio if name != "null"], equal, strict=True))
    # The difference keeps its level relative to what it is a difference to.
    gains["null"] = gains[done.target]
    tracks = []
    for name, x in audio.items():
        write = shared_file if name == "clip" else result_file
        path = write(to_integers(x * ceilings[name]), done.sample_rate, name)
        own = -20 * math.log10(ceilings[name])
        label = _LABELS[name] if name != "null" else f"{done.null_name}"
        tracks.append(Track(name, label, path, own + 20 * math.log10(common), own + gains[name], f"{name}_effect"))
    return tracks


def _summary(done: "Rendered") -> str:
    times = " and ".join(f"{name} effect in {1000 * wet.seconds:.0f} ms" for name, wet in done.wets.items())
    remarks = done.remarks
    peak = max(float(np.abs(x).max()) for x in done.audio.values())
    if peak > 1:
        remarks += (f"the loudest peak is {20 * math.log10(peak):.1f} dB above full scale; all plays softer by that",)
    return status(f"{done.seconds:.2f} s of audio: {times}.", remarks)


def _levels(done: "Rendered") -> str:
    rows, audio = [], done.audio
    for name, x in audio.items():
        title = done.null_name if name == "null" else _LABELS[name]
        rows.append([title, _decibel_text(level_db(x)), _decibel_text(20 * math.log10(max(np.abs(x).max(), 1e-6)))])
    depth = null_depth_db(audio["null"] + audio[done.target], audio[done.target])
    rows.append([f"null test: difference to {_LABELS[done.target]}", f"{_decibel_text(depth)} dB", ""])
    return table(["Level in dBFS", "RMS", "Peak"], rows, "Levels and null test", numbers=(1, 2))


def _decibel_text(value: float) -> str:
    return f"{value:.1f}".replace("-", "−") if math.isfinite(value) else "−∞"
