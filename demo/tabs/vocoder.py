"""Tab Vocoder: analysis and synthesis of a clip, compared with the clip."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from demo.controls import OptionControls, with_parameters
from demo.folders import result_file
from demo.library import Library
from demo.limits import MAX_SECONDS, check_seed
from demo.measures import log_mel_db
from demo.messages import guarded
from demo.pictures import curves, difference, figure, spectrogram
from demo.sound import to_integers
from demo.tabs import COMPUTE, STATE_SECONDS, Page
from demo.tabs.blind import build_blind_test
from demo.tabs.features import build_features
from demo.widgets import clip_input, comparison, plain_html, seed_input, status, table

if TYPE_CHECKING:
    from demo.work.vocode import Copy

__all__ = ["build"]


def build(page: Page) -> None:
    """Lay out the tab."""
    entries = page.library.of_kind("vocoder")
    gr.Markdown(
        "Analyse a clip and synthesise it from the features of the vocoder. Both versions play at the same loudness.",
        elem_classes="ondes-note",
    )
    with gr.Row():
        with gr.Column(min_width=300):
            examples, names = page.examples("speech", "plucked strings")
            audio = clip_input(label=f"Clip (at most {MAX_SECONDS:g} s)", value=examples[0][0], elem_id="vocoder-clip")
            gr.Examples(examples, audio, label="Example clips", example_labels=names, api_visibility="private")
        with gr.Column(min_width=300):
            choices = [(entry.label, entry.name) for entry in entries]
            model = gr.Dropdown(choices, value=choices[0][1], label="Vocoder", elem_id="vocoder-model")
            options = OptionControls(entries, "vocoder")
            seed = seed_input()
            run = gr.Button("Synthesise", variant="primary", elem_id="vocoder-run")
    told = plain_html(status("Press Synthesise."), elem_id="vocoder-status")
    with gr.Row():
        reference = gr.Audio(label="A: reference", interactive=False, buttons=["download"], elem_id="vocoder-reference")
        result = gr.Audio(label="B: result", interactive=False, buttons=["download"], elem_id="vocoder-result")
    comparison("vocoder-reference", "vocoder-result", elem_id="vocoder-compare")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            picture = plain_html(elem_id="vocoder-picture")
        with gr.Column(scale=1, min_width=240):
            metrics = plain_html(elem_id="vocoder-metrics")
    pair = gr.State(None, time_to_live=STATE_SECONDS)
    with gr.Accordion("Blind test: A/B/X", open=False, elem_id="blind"):
        build_blind_test(pair)
    with gr.Accordion("Features of another program", open=False, elem_id="features"):
        build_features(page, model, seed)

    options.follow(model)
    outputs = [reference, result, told, picture, metrics, pair]
    gr.on(
        [],
        _make_handler(page.library, options.names, options.given),
        [audio, model, *options.parameters, seed],
        outputs,
        **COMPUTE,
        api_name="vocode",
    )
    # Two requests of one page would overwrite each other's results: the button waits for its result.
    run.click(
        _make_handler(page.library, options.names, options.changed),
        [audio, model, *options.controls, seed],
        outputs,
        **COMPUTE,
        show_progress="minimal",
        show_progress_on=result,
        api_visibility="private",
    )


def _make_handler(
    library: Library, names: Sequence[str], changes: Callable[[str, Sequence[Any]], dict[str, Any]]
) -> Any:
    """Return a handler for a clip, a vocoder, values of the options ``names`` and a seed.

    Args:
        library: the vocoders.
        names: of the options.
        changes: function of a vocoder's name and option values that returns the changed options.
    """

    @guarded(told=2, outputs=6)
    def vocode(audio: str | None, model: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Synthesise a clip; yield the audio first, then the picture, then the metrics.

        Options that are left out have the vocoder's default.
        """
        from demo.work.vocode import Settings, measure
        from demo.work.vocode import vocode as work

        *options, seed, progress = values
        settings = Settings(model, changes(model, options), check_seed(seed))
        copy = work(library, settings, audio, lambda fraction: progress(fraction, desc="Synthesis"))
        reference, result = to_integers(copy.reference), to_integers(copy.result)
        players = [
            result_file(reference, copy.sample_rate, "reference"),
            result_file(result, copy.sample_rate, model),
        ]
        said = status(_summary(copy), copy.remarks)
        pair = {"rate": copy.sample_rate, "reference": reference, "result": result}
        yield *players, said, gr.skip(), gr.skip(), pair
        picture = _picture(copy)
        yield gr.skip(), gr.skip(), gr.skip(), picture, gr.skip(), gr.skip()
        rows = [[name, value] for name, value in measure(copy).items()]
        yield *players, said, picture, table(["Metric", "B against A"], rows, "Metrics", numbers=(1,)), pair

    return with_parameters(vocode, ["audio", "model", *names, "seed"], progress=gr.Progress())


def _summary(copy: "Copy") -> str:
    speed = copy.seconds / copy.compute_seconds
    return f"{copy.seconds:.2f} s of audio in {copy.compute_seconds:.2f} s: {speed:.1f} × real time."


def _picture(copy: "Copy") -> str:
    rate, seconds = copy.sample_rate, copy.seconds
    reference, result = (log_mel_db(samples, rate) for samples in (copy.reference, copy.result))
    top = float(reference.max())
    panels = [
        spectrogram("A: reference", reference, top, seconds, rate),
        spectrogram("B: result", result, top, seconds, rate),
        difference("B − A", np.maximum(result, top - 80) - np.maximum(reference, top - 80), seconds, rate),
    ]
    if any((contour > 0).any() for contour in copy.contours.values()):
        voiced = np.concatenate([contour[contour > 0] for contour in copy.contours.values()])
        lines = {
            name: (np.linspace(0, seconds, len(contour)), np.where(contour > 0, contour, np.nan))
            for name, contour in copy.contours.items()
        }
        span = (float(voiced.min()) * 0.9, float(voiced.max()) * 1.1)
        panels.append(curves("F0", lines, (0, seconds), span, ("s", "Hz"), log_y=True))
    return figure(
        panels, "Log-mel spectrograms on one scale. In the difference, orange is louder than A, blue quieter."
    )
