"""Tab Generate: audio drawn unconditionally or after a prompt, played while it is drawn."""

import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np

from demo.controls import OptionControls, with_parameters
from demo.folders import result_file
from demo.library import Library
from demo.limits import MAX_SECONDS, check_number, check_seed
from demo.measures import log_mel_db
from demo.messages import guarded
from demo.pictures import figure, spectrogram
from demo.sound import to_integers
from demo.tabs import GENERATE, Page
from demo.widgets import clip_input, live_message, live_player, plain_html, seed_input, status

__all__ = ["Runs", "build"]

_SECONDS, _PROMPT = (0.5, 15.0), (0.25, 8.0)
_ANY_LABEL = "random, by the seed"
# Number of earlier pieces repeated in a message, in case the page missed some.
_REPEATED = 5
_NONE = (
    "No generative model is installed yet. Train one with a recipe in `egs/` (spoken digits take an hour on a CPU), "
    "then start the demo with `python -m demo --models FOLDER`."
)


class Runs:
    """Cancelled generations, by number; old numbers are dropped."""

    def __init__(self, capacity: int = 1000) -> None:
        self._cancelled: deque[str] = deque(maxlen=capacity)
        self._lock = threading.Lock()

    def cancel(self, run: str | None) -> None:
        """Cancel a generation that runs or waits."""
        if run:
            with self._lock:
                self._cancelled.append(run)

    def is_cancelled(self, run: str | None) -> bool:
        """Whether the generation is cancelled."""
        with self._lock:
            return run in self._cancelled


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
            seconds = gr.Slider(*_SECONDS, 4, step=0.5, label="Seconds", elem_id="generate-seconds", interactive=there)
            label = _label_choice(page.library, entries[0].name if there else None)
            options = OptionControls(entries, "generate")
            seed = seed_input(interactive=there)
        with gr.Column(min_width=300):
            prompt = clip_input(
                label=f"Prompt to continue (optional, at most {MAX_SECONDS:g} s)", elem_id="generate-prompt"
            )
            examples, names = page.examples("plucked strings", "speech")
            gr.Examples(examples, prompt, label="Example prompts", example_labels=names, api_visibility="private")
            prompt_seconds = gr.Slider(
                *_PROMPT, 2, step=0.25, label="Seconds of the prompt", info="Its end is used", interactive=there
            )
    with gr.Row():
        run_button = gr.Button("Generate", variant="primary", elem_id="generate-run", interactive=there)
        cancel = gr.Button("Cancel", variant="stop", elem_id="generate-cancel", interactive=there)
    told = plain_html(status("Press Generate." if there else ""), elem_id="generate-status")
    player = live_player(elem_id="generate-live")
    result = gr.Audio(label="Result", interactive=False, buttons=["download"], elem_id="generate-result")
    picture = plain_html(elem_id="generate-picture")
    run = gr.State(None)

    options.follow(model)
    unseen = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    model.change(lambda name: _label_choice(page.library, name), model, label, **unseen)
    began = run_button.click(lambda: uuid.uuid4().hex, None, run, **unseen)
    outputs, rest = [player, told, result, picture], [label, seed, prompt, prompt_seconds, run]
    gr.on(
        [],
        _make_handler(page.library, runs, options.names, options.given),
        [model, seconds, *options.parameters, *rest],
        outputs,
        **GENERATE,
        api_name="generate",
    )
    began.then(
        _make_handler(page.library, runs, options.names, options.changed),
        [model, seconds, *options.controls, *rest],
        outputs,
        **GENERATE,
        show_progress="hidden",
        api_visibility="private",
    )
    cancel.click(runs.cancel, run, None, **unseen)


def _label_choice(library: Library, name: str | None) -> gr.Dropdown:
    """Return the list of a model's labels, hidden if it has none."""
    labels = library.entry(name).labels if name else ()
    return gr.Dropdown(
        [(_ANY_LABEL, ""), *labels],
        value="",
        label="Label",
        visible=bool(labels),
        # The list contains the labels of the model on the page; a program may send a label of another model.
        allow_custom_value=True,
        elem_id="generate-label",
    )


def _make_handler(
    library: Library, runs: Runs, names: Sequence[str], changes: Callable[[str, Sequence[Any]], dict[str, Any]]
) -> Any:
    """Return a handler for a model, a length, values of the options ``names``, and the other inputs.

    Args:
        library: the generators.
        runs: cancelled generations.
        names: of the options.
        changes: function of a generator's name and option values that returns the changed options.
    """

    @guarded(told=1, outputs=4)
    def generate(model: str, seconds: float, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Draw audio; yield pieces meanwhile, and the whole with its picture at the end.

        Options that are left out have the model's default.
        """
        from demo.work.generate import Draw, draw

        *options, label, seed, prompt, prompt_seconds, run = values
        request = Draw(
            model,
            check_number("seconds", seconds, *_SECONDS),
            changes(model, options),
            check_seed(seed),
            prompt,
            check_number("seconds of the prompt", prompt_seconds, *_PROMPT),
            label or None,
        )
        name, pieces, remarks = run or uuid.uuid4().hex, [], ()
        total = prompt_length = 0
        yield gr.skip(), status("Preparing the model.", fraction=0.0), None, ""
        last = None
        for piece in draw(library, request, lambda: runs.is_cancelled(run)):
            pieces.append(piece.samples)
            remarks += piece.remarks
            prompt_length = len(piece.samples) if piece.is_prompt else prompt_length
            total, last = prompt_length + piece.total, piece
            first = max(0, len(pieces) - _REPEATED)
            message = live_message(name, piece.sample_rate, total, first, pieces[first:], "running")
            yield message, _progress(piece, remarks), gr.skip(), gr.skip()
        yield _finished(name, pieces, last, total, remarks, runs.is_cancelled(run))

    parameters = ["model", "seconds", *names, "label", "seed", "prompt", "prompt_seconds", "run"]
    return with_parameters(generate, parameters)


def _progress(piece: Any, remarks: tuple[str, ...]) -> str:
    if not piece.drawn or not piece.elapsed:
        return status("Read the prompt." if len(piece.samples) else "Starting.", remarks, fraction=0.0)
    speed = piece.drawn / piece.elapsed
    rest = (piece.total - piece.drawn) / speed
    text = (
        f"{piece.drawn:,} of {piece.total:,} samples, {speed:,.0f} samples per second "
        f"({speed / piece.sample_rate:.2f} × real time), {rest:.0f} s left"
    )
    return status(text, remarks, piece.drawn / piece.total)


def _finished(
    name: str, pieces: list[np.ndarray], last: Any, total: int, remarks: tuple[str, ...], cancelled: bool
) -> tuple[Any, ...]:
    """Return the outputs at the end, also after an early one."""
    audio = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    if last is None or not audio.size:
        return gr.skip(), status("Cancelled before the first sample."), None, ""
    rate, state = last.sample_rate, "cancelled" if cancelled else "done"
    first = max(0, len(pieces) - _REPEATED)
    message = live_message(name, rate, total, first, pieces[first:], state)
    seconds, speed = last.drawn / rate, last.drawn / max(last.elapsed, 1e-9)
    early = "Cancelled: " if cancelled else "" if last.drawn >= last.total else "Time limit reached: "
    text = (
        f"{early}{seconds:.2f} s drawn in {last.elapsed:.2f} s, {speed:,.0f} samples per second "
        f"({speed / rate:.2f} × real time)."
    )
    levels = log_mel_db(audio, rate)
    drawn = figure(
        [spectrogram("Result", levels, float(levels.max()), len(audio) / rate, rate)],
        "Log-mel spectrogram, beginning with the prompt if there is one.",
    )
    return message, status(text, remarks), result_file(to_integers(audio), rate, "generated"), drawn
