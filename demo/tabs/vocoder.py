"""Tab Vocoder: analysis and synthesis of a clip, beside the clip itself."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from demo.folders import result_file
from demo.library import BASELINES, Library
from demo.limits import MAX_SECONDS, check_choice, check_number, check_seed
from demo.measures import log_mel_db
from demo.messages import guarded
from demo.pictures import curves, difference, figure, spectrogram
from demo.sound import to_integers
from demo.tabs import COMPUTE, STATE_SECONDS, Page
from demo.tabs.blind import build_blind_test
from demo.widgets import clip_input, comparison, plain_html, status, table

if TYPE_CHECKING:
    from demo.work.vocode import Copy

__all__ = ["build"]

# As vocoders.flow.SOLVERS, which would import torch.
SOLVERS = ("euler", "midpoint", "heun", "rk4")
_F0_SCALES, _STEPS, _TEMPERATURES, _FACTORS = (0.5, 2.0), (1, 64), (0.0, 1.5), (0.5, 1.5)
_DEFAULT_SAMPLING = {"solver": "midpoint", "steps": 16, "temperature": 0.667, "freeu": None}


def build(page: Page) -> None:
    """Lay out the tab."""
    library = page.library
    models = [(entry.label, entry.name) for entry in library.of_kind("vocoder")]
    models += [(title, name) for name, title in BASELINES.items()]
    gr.Markdown(
        "Analyse a clip and synthesise it again from what the vocoder sees. Both sides play at the same loudness.",
        elem_classes="ondes-note",
    )
    with gr.Row():
        with gr.Column(min_width=300):
            examples, names = page.examples("speech", "plucked strings")
            audio = clip_input(label=f"Clip (at most {MAX_SECONDS:g} s)", value=examples[0][0], elem_id="vocoder-clip")
            gr.Examples(examples, audio, label="Example clips", example_labels=names, api_visibility="private")
        with gr.Column(min_width=300):
            model = gr.Dropdown(models, value=models[0][1], label="Vocoder", elem_id="vocoder-model")
            controls = _controls(library, models[0][1])
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

    model.change(
        lambda name: _shown_controls(library, name),
        model,
        list(controls.values()),
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    # Two requests of one page would overwrite each other's results: the button waits for its own.
    run.click(
        _make_handler(library),
        [audio, model, *[controls[name] for name in _INPUTS]],
        [reference, result, told, picture, metrics, pair],
        **COMPUTE,
        show_progress="minimal",
        show_progress_on=result,
        api_name="vocode",
    )


_INPUTS = ("f0_scale", "solver", "steps", "temperature", "use_freeu", "backbone", "skip", "seed")


def _controls(library: Library, name: str) -> dict[str, Any]:
    """Return the controls by name; those that the model does not have are hidden."""
    f0, flow, sampling = _abilities(library, name)
    freeu = sampling["freeu"]
    with gr.Group(visible=f0) as f0_group:
        f0_scale = gr.Slider(
            *_F0_SCALES, 1.0, step=0.01, label="F0 scale", info="Factor on the pitch", elem_id="f0-scale"
        )
    with gr.Group(visible=flow) as flow_group:
        with gr.Row():
            solver = gr.Dropdown(list(SOLVERS), value=sampling["solver"], label="Solver", min_width=120)
            steps = gr.Slider(*_STEPS, sampling["steps"], step=1, label="Steps", min_width=160, elem_id="steps")
        temperature = gr.Slider(*_TEMPERATURES, sampling["temperature"], step=0.001, label="Temperature")
        use_freeu = gr.Checkbox(freeu is not None, label="FreeU", info="Weigh the U-Net's two kinds of features")
        with gr.Row(visible=freeu is not None) as freeu_row:
            backbone = gr.Slider(*_FACTORS, (freeu or (1.1, 0.9))[0], step=0.01, label="Backbone", min_width=140)
            skip = gr.Slider(*_FACTORS, (freeu or (1.1, 0.9))[1], step=0.01, label="Skip", min_width=140)
    seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**31 - 1, visible=name != "world")
    use_freeu.change(
        lambda on: gr.update(visible=on),
        use_freeu,
        freeu_row,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return {
        "f0_group": f0_group,
        "flow_group": flow_group,
        "f0_scale": f0_scale,
        "solver": solver,
        "steps": steps,
        "temperature": temperature,
        "use_freeu": use_freeu,
        "backbone": backbone,
        "skip": skip,
        "seed": seed,
    }


def _shown_controls(library: Library, name: str) -> list[Any]:
    f0, flow, sampling = _abilities(library, name)
    freeu = sampling["freeu"]
    return [
        gr.update(visible=f0),
        gr.update(visible=flow),
        gr.skip(),
        *(gr.update(value=sampling[key]) for key in ("solver", "steps", "temperature")),
        gr.update(value=freeu is not None),
        *(gr.update(value=factor) for factor in (freeu or (1.1, 0.9))),
        gr.update(visible=name != "world"),
    ]


def _abilities(library: Library, name: str) -> tuple[bool, bool, dict[str, Any]]:
    """Return whether a vocoder takes F0, whether it integrates a flow, and how it does by default."""
    if name in BASELINES:
        return name == "world", False, _DEFAULT_SAMPLING
    entry = library.entry(name)
    sampling = {**_DEFAULT_SAMPLING, **(entry.config.get("sampling") or {})}
    return entry.family == "wavehax", entry.family.startswith("periodwave"), sampling


def _make_handler(library: Library) -> Any:
    @guarded(told=2, outputs=6)
    def vocode(
        audio: str | None,
        model: str,
        f0_scale: float = 1.0,
        solver: str = "midpoint",
        steps: float = 16,
        temperature: float = 0.667,
        use_freeu: bool = False,
        backbone: float = 1.1,
        skip: float = 0.9,
        seed: float = 0,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  (Gradio finds it by its default)
    ) -> Iterator[tuple[Any, ...]]:
        """Synthesise a clip; the audio comes first, then the picture, then the metrics."""
        from demo.work.vocode import Settings, measure
        from demo.work.vocode import vocode as work

        sampling = {
            "solver": check_choice("solver", solver, SOLVERS),
            "steps": round(check_number("steps", steps, *_STEPS)),
            "temperature": check_number("temperature", temperature, *_TEMPERATURES),
        }
        if use_freeu:
            sampling["freeu"] = tuple(check_number("FreeU", factor, *_FACTORS) for factor in (backbone, skip))
        scale = check_number("F0 scale", f0_scale, *_F0_SCALES)
        settings = Settings(model, scale, sampling, check_seed(seed))
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

    return vocode


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
    return figure(panels, "Log-mel spectrograms on one scale; in the difference orange is louder, blue quieter than A.")
