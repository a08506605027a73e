"""Tab Generate: audio drawn unconditionally or after a prompt, played while it is drawn."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from demo.code import generate_about
from demo.controls import OptionControls, with_parameters
from demo.folders import read_wav, result_file
from demo.library import Library
from demo.limits import MAX_SECONDS, check_number, check_seed, owned_path
from demo.messages import guarded
from demo.players import Track, player, player_message
from demo.runs import NEW_RUN, Runs
from demo.sound import equal_gains_db, to_integers
from demo.tabs import GENERATE, Page
from demo.widgets import clip_input, live_message, live_player, plain_html, seed_input, status
from vocoders.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from demo.work.generate import Draw, Piece

__all__ = ["build"]

_SECONDS, _PROMPT, _SAMPLES = (0.5, 15.0), (0.25, 8.0), (1, 4)
_ANY_LABEL = "any"
# Number of earlier pieces repeated in a message, in case the page missed some.
_REPEATED = 5
_NONE = (
    "No generative model is installed yet. Train one with a recipe in `egs/` (spoken digits take an hour on a CPU), "
    "then start the demo with `ondes demo --models FOLDER`."
)


def build(page: Page) -> None:
    """Lay out the tab."""
    runs, entries = Runs(), page.library.of_kind("generator")
    there = bool(entries)
    gr.Markdown(
        "Draw new audio, or continue a prompt. It plays while it is generated." if there else _NONE,
        elem_id="generate-note",
        elem_classes="ondes-note",
    )
    with gr.Row():
        with gr.Column(min_width=300):
            model = gr.Dropdown(
                [(entry.label, entry.name) for entry in entries],
                value=entries[0].name if there else None,
                label="Model",
                elem_id="generate-model",
                interactive=there,
            )
            label = _label_choice(page.library, entries[0].name if there else None)
            with gr.Row():
                sliders = {"interactive": there, "min_width": 140}
                seconds = gr.Slider(*_SECONDS, 2, step=0.5, label="Seconds", elem_id="generate-seconds", **sliders)
                samples = gr.Slider(*_SAMPLES, 1, step=1, label="Samples", elem_id="generate-samples", **sliders)
            draw_seed = seed_input("generate", interactive=there)
            seed = draw_seed.seed
        with gr.Column(min_width=300):
            with gr.Row():
                run_button = gr.Button(
                    "Generate", variant="primary", elem_id="generate-run", interactive=there, min_width=110
                )
                surprise = gr.Button("Surprise me", elem_id="generate-surprise", interactive=there, min_width=110)
                cancel = gr.Button("Cancel", elem_id="generate-cancel", interactive=there, min_width=90)
            told = plain_html(status("Press Generate." if there else ""), elem_id="generate-status")
            live = live_player(elem_id="generate-live")
    shown = player(continues=True, elem_id="generate-player")
    with gr.Accordion("Options of the model", open=False, elem_id="generate-options"):
        options = OptionControls(entries, "generate")
    with gr.Accordion("Prompt to continue", open=False, elem_id="generate-prompts"), gr.Row():
        with gr.Column(min_width=300):
            prompt = clip_input(label=f"Prompt (optional, at most {MAX_SECONDS:g} s)", elem_id="generate-prompt")
            examples, names = page.examples("plucked strings", "speech", "bass")
            gr.Examples(examples, prompt, label="Example prompts", example_labels=names, api_visibility="private")
        prompt_seconds = gr.Slider(
            *_PROMPT, 2, step=0.25, label="Seconds of the prompt", info="Its end is used", interactive=there
        )
    run = gr.Textbox("", label="Run", visible=False)

    options.follow(model)
    handlers = _Handlers(page, runs, options)
    unseen = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    model.change(lambda name: _label_choice(page.library, name), model, label, **unseen)
    outputs, rest = [live, told, shown], [label, seed, prompt, prompt_seconds, run]
    whole, given_label = gr.Audio(label="result", visible=False), gr.Textbox("", label="Label", visible=False)
    given_seed = gr.Number(0, label="Seed", precision=0, visible=False)
    gr.on(
        [],
        handlers.make_endpoint(),
        [model, seconds, *options.parameters, given_label, given_seed, prompt, prompt_seconds, run],
        [live, told, whole],
        **GENERATE,
        api_name="generate",
    )
    inputs = [model, seconds, *options.controls, *rest, samples]
    shows = {**GENERATE, "show_progress": "full", "show_progress_on": told, "api_visibility": "private"}
    script = draw_seed.script(NEW_RUN)
    began = run_button.click(None, draw_seed.inputs, [seed, run], js=script, **unseen)
    began.then(handlers.make_page(False), inputs, outputs, **shows)
    chosen = surprise.click(handlers.surprise, model, [label, draw_seed.keep], **unseen)
    wished = chosen.then(None, draw_seed.inputs, [seed, run], js=script, **unseen)
    wished.then(handlers.make_page(False), inputs, outputs, **shows)
    further = shown.extend(None, draw_seed.inputs, [seed, run], js=script, **unseen)
    further.then(handlers.make_page(True), [*inputs, shown], outputs, **shows)
    cancel.click(runs.cancel, run, None, **unseen)
    gr.on([model.change, label.change], None, None, None, js="() => ondes.stale('generate-player')", **unseen)
    page.restorable["generate"] = {
        **{"model": model, "label": label, "seconds": seconds, "samples": samples, "seed": seed},
        **{"keep": draw_seed.keep},
        **options.by_name,
    }
    if there:
        page.first_results["generate"] = (handlers.first, outputs)


def _label_choice(library: Library, name: str | None) -> gr.Radio:
    """Return buttons for a model's labels, hidden if it has none."""
    labels = library.entry(name).labels if name else ()
    return gr.Radio(
        [(_ANY_LABEL, ""), *((label, label) for label in labels)],
        value="",
        label="Label",
        visible=bool(labels),
        elem_id="generate-label",
    )


@dataclass
class _Drawing:
    """A sample that is being drawn.

    Attributes:
        name: name of the run for the live player.
        pieces: samples so far, without what is before the prompt.
        last: newest message of the generator.
        total: samples of the whole with the prompt.
        remarks: changes of the input, for the user.
    """

    name: str
    pieces: list[np.ndarray] = field(default_factory=list)
    last: "Piece | None" = None
    total: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def audio(self) -> np.ndarray:
        """All samples (T,)."""
        return np.concatenate(self.pieces) if self.pieces else np.zeros(0, np.float32)

    @property
    def label_text(self) -> str:
        """Label that was drawn, for a model with labels."""
        found = [remark for remark in self.remarks if remark.startswith("label: ")]
        return found[0].removeprefix("label") if found else ""

    def add(self, piece: "Piece") -> None:
        """Take the next piece."""
        self.pieces.append(piece.samples)
        self.remarks += piece.remarks
        self.total = piece.total + (len(self.pieces[0]) if self.pieces else 0)
        self.last = piece

    def message(self, state: str) -> dict[str, Any]:
        """Return the message for the live player."""
        first = max(0, len(self.pieces) - _REPEATED)
        rate = self.last.sample_rate if self.last else 8000
        return live_message(self.name, rate, self.total, first, self.pieces[first:], state)


class _Handlers:
    """What the events of the tab call."""

    def __init__(self, page: Page, runs: Runs, options: OptionControls) -> None:
        self.page, self.library, self.runs, self.options = page, page.library, runs, options

    def make_endpoint(self) -> Any:
        """Return the handler for programs; it yields pieces, and the file at the end."""

        @guarded()
        def generate(model: str, seconds: float = 2.0, *values: Any) -> Iterator[tuple[Any, ...]]:
            """Draw audio; yield pieces meanwhile, and the whole at the end.

            Options that are left out have the model's default.
            """
            *options, label, seed, prompt, prompt_seconds, run = values
            request = self._request(model, seconds, options, self.options.given, label, seed, prompt, prompt_seconds)
            drawing = _Drawing(run or str(random.getrandbits(60)))
            for _ in self._pieces(drawing, request, run):
                yield drawing.message("running"), _progress(drawing), gr.skip()
            audio, rate = _checked(drawing), drawing.last.sample_rate if drawing.last else 0
            state = "cancelled" if self.runs.is_cancelled(run) else "done"
            path = result_file(to_integers(audio), rate, "generated")
            yield drawing.message(state), _finished(drawing, self.runs.is_cancelled(run)), path

        return with_parameters(generate, self._names())

    def make_page(self, continues: bool) -> Any:
        """Return the handler of the page, for new samples or for what continues a result."""

        @guarded(told=1, outputs=3)
        def generate_page(model: str, seconds: float, *values: Any) -> Iterator[tuple[Any, ...]]:
            given = values[:-1] if continues else values
            *options, label, seed, prompt, prompt_seconds, run, samples = given
            before = np.zeros(0, np.int16)
            if continues:
                before, prompt, prompt_seconds = self._cut(values[-1], model)
                samples = 1
            count = int(check_number("samples", samples, *_SAMPLES))
            tracks, clips, drawing = [], [], None
            # The largest seed has no successors.
            seeds = [(check_seed(seed) + i) % 2**31 for i in range(count)]
            yield gr.skip(), status("Preparing the model.", fraction=0.0), gr.skip()
            for number, own in enumerate(seeds):
                request = self._request(
                    model, seconds, options, self.options.changed, label, own, prompt, prompt_seconds
                )
                drawing = _Drawing(f"{run or 'run'}-{number}")
                for _ in self._pieces(drawing, request, run):
                    yield drawing.message("running"), _progress(drawing, number, count), gr.skip()
                audio, cancelled = _checked(drawing), self.runs.is_cancelled(run)
                rate = drawing.last.sample_rate if drawing.last else 0
                head = before[: max(0, len(before) - len(drawing.pieces[0]))]
                clips.append(np.concatenate([head, to_integers(audio)]))
                name = f"Sample {number + 1}" + drawing.label_text
                path = result_file(clips[-1], rate, f"generated_{own}")
                tracks.append(Track(str(number), name, path, file=f"generated_{own}"))
                equal = equal_gains_db([clip / 32768 for clip in clips], rate)
                levelled = [Track(t.name, t.label, t.path, 0.0, g, t.file) for t, g in zip(tracks, equal, strict=True)]
                about = self._about(request, seeds[: number + 1], options, samples=count)
                done = player_message(levelled, ["spectrogram"], about=about, hear=str(number))
                yield drawing.message("cancelled" if cancelled else "done"), _finished(drawing, cancelled), done
                if cancelled:
                    return

        names = [*self._names(), "samples"]
        return with_parameters(generate_page, [*names, "message"] if continues else names)

    def surprise(self, model: str | None) -> tuple[Any, ...]:
        """Return a random label, and let the seed be drawn."""
        labels = self.library.entry(model).labels if model else ()
        return gr.update(value=random.choice(labels) if labels else ""), False

    def first(self) -> tuple[Any, ...]:
        """Return what the page shows when it opens."""
        model = self.library.of_kind("generator")[0].name
        handler = self.make_page(False)
        *_, last = handler(model, 2.0, *([None] * len(self.options.names)), "", 0, None, 2.0, "first", 1)
        # Nothing plays before the first click.
        return gr.skip(), *last[1:]

    def _names(self) -> list[str]:
        return ["model", "seconds", *self.options.names, "label", "seed", "prompt", "prompt_seconds", "run"]

    def _request(
        self,
        model: str,
        seconds: float,
        options: Sequence[Any],
        changes: Callable[[str, Sequence[Any]], dict[str, Any]],
        label: str | None,
        seed: float,
        prompt: str | None,
        prompt_seconds: float,
    ) -> "Draw":
        from demo.work.generate import Draw

        return Draw(
            model,
            check_number("seconds", seconds, *_SECONDS),
            changes(model, options) if any(value is not None for value in options) else {},
            check_seed(seed),
            prompt,
            check_number("seconds of the prompt", prompt_seconds, *_PROMPT),
            label or None,
        )

    def _pieces(self, drawing: _Drawing, request: "Draw", run: str | None) -> Iterator[None]:
        from demo.work.generate import draw

        for piece in draw(self.library, request, lambda: self.runs.is_cancelled(run)):
            drawing.add(piece)
            yield

    def _about(self, request: "Draw", seeds: Sequence[int], options: Sequence[Any], samples: int) -> Any:
        changes = dict(request.options)
        link = {"tab": "generate", "model": request.model, "seconds": f"{request.seconds:g}", "samples": str(samples)}
        link |= {"label": request.label or "", "seed": str(seeds[0]), "keep": "true"}
        link |= {name: str(value) for name, value in changes.items() if value is not None and value != ""}
        entry = self.library.entry(request.model)
        prompt = request.prompt_seconds if request.prompt_path else None
        return generate_about(entry, request.seconds, seeds, request.label, changes, prompt, link)

    def _cut(self, message: Any, model: str) -> tuple[np.ndarray, str, float]:
        """Return the result (T,) up to the chosen point, and its end as a prompt."""
        place = (message or {}).get("from") or {}
        track = next((t for t in (message or {}).get("tracks") or [] if t.get("name") == place.get("name")), None)
        if track is None:
            raise DataError("there is nothing to continue yet; press Generate first")
        rate = self.library.entry(model).sample_rate or 16000
        samples = read_wav(owned_path(str(track["path"])))
        seconds = check_number("position", place.get("seconds"), 0, MAX_SECONDS)
        before = samples[: round(seconds * rate)]
        if len(before) < round(_PROMPT[0] * rate):
            raise ConfigError(f"the position is {seconds:.2f} s; choose one after {_PROMPT[0]:g} s to continue from")
        return before, result_file(before, rate, "beginning"), min(_PROMPT[1], len(before) / rate)


def _checked(drawing: _Drawing) -> np.ndarray:
    audio = drawing.audio
    if drawing.last is None or not audio.size:
        raise DataError("cancelled before the first sample")
    return audio


def _progress(drawing: _Drawing, number: int = 0, count: int = 1) -> str:
    piece = drawing.last
    if piece is None or not piece.drawn or not piece.elapsed:
        return status("Starting.", drawing.remarks, fraction=number / count)
    speed = piece.drawn / piece.elapsed
    rest = (piece.total - piece.drawn) / speed
    which = f"Sample {number + 1} of {count}: " if count > 1 else ""
    text = (
        f"{which}{piece.drawn:,} of {piece.total:,} samples, {speed:,.0f} samples per second "
        f"({speed / piece.sample_rate:.2f} × real time), {rest:.0f} s left"
    )
    return status(text, drawing.remarks, (number + piece.drawn / piece.total) / count)


def _finished(drawing: _Drawing, cancelled: bool) -> str:
    last = drawing.last
    if last is None:
        return status("Nothing was drawn.")
    seconds, speed = last.drawn / last.sample_rate, last.drawn / max(last.elapsed, 1e-9)
    early = "Cancelled: " if cancelled else "" if last.drawn >= last.total else "Time limit reached: "
    text = (
        f"{early}{seconds:.2f} s drawn in {last.elapsed:.2f} s, {speed:,.0f} samples per second "
        f"({speed / last.sample_rate:.2f} × real time)."
    )
    return status(text, drawing.remarks)
