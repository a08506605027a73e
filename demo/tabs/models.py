"""Tab Models: installed models, their licences, and their speed on this machine."""

import re
from collections.abc import Iterator
from typing import Any

import gradio as gr

from demo.library import Entry, Library
from demo.messages import guarded
from demo.tabs import COMPUTE, Page
from demo.widgets import plain_html, status, table
from effects.captures.outline import read_outline
from vocoders.core.errors import DataError
from vocoders.core.text import read_text

__all__ = ["build"]

_HEADINGS = ["Model", "Family", "Use", "Rate", "Parameters", "Size", "Licence", "Speed here"]
_NUMBERS = (3, 4, 5, 7)
_USES = {"vocoder": "Vocoder", "generator": "Generate", "effect": "Effects"}
_NOT_MEASURED = "not measured"


def build(page: Page) -> None:
    """Lay out the tab."""
    library = page.library
    speeds: dict[str, float] = {}
    overview = plain_html(_overview(library, speeds), elem_id="models-table")
    with gr.Row():
        names = [(entry.label, entry.name) for entry in library.entries.values()]
        with gr.Column(scale=2, min_width=300):
            model = gr.Dropdown(names, value=names[0][1], label="Model", elem_id="models-model")
        with gr.Column(scale=1, min_width=200):
            measure_one = gr.Button("Measure speed", size="md", elem_id="models-measure")
            measure_all = gr.Button("Measure all", size="md", elem_id="models-measure-all")
    told = plain_html(status("Speeds on this machine are measured on request."), elem_id="models-status")
    card = gr.Markdown(_card(library, names[0][1]), elem_id="models-card")

    model.change(lambda name: _card(library, name), model, card, queue=False, show_progress="hidden", api_name="card")
    queued = {**COMPUTE, "show_progress": "hidden"}
    measure_one.click(_make_handler(library, speeds), model, [overview, told], api_name="speed", **queued)
    measure_all.click(_make_handler(library, speeds), None, [overview, told], api_visibility="private", **queued)


def _overview(library: Library, speeds: dict[str, float]) -> str:
    rows = [_row(entry, speeds) for entry in library.entries.values()]
    return table(_HEADINGS, rows, "Models", _NUMBERS)


def _row(entry: Entry, speeds: dict[str, float]) -> list[str]:
    model, family = (entry.name, entry.title) if entry.path is not None else (entry.label, "signal processing")
    rate = f"{entry.sample_rate / 1000:g} kHz" if entry.sample_rate else "–"
    size = f"{entry.size_bytes / 1e6:.1f} MB" if entry.size_bytes >= 1e6 else f"{entry.size_bytes / 1e3:.0f} kB"
    parameters = f"{entry.num_parameters:,}" if entry.num_parameters else "–"
    speed = _speed_text(entry.name, speeds)
    size = size if entry.size_bytes else "–"
    return [model, family, _USES[entry.kind], rate, parameters, size, entry.license, speed]


def _speed_text(name: str, speeds: dict[str, float]) -> str:
    return f"{speeds[name]:.2f} × real time" if name in speeds else _NOT_MEASURED


def _make_handler(library: Library, speeds: dict[str, float]) -> Any:
    @guarded(told=1, outputs=2)
    def measure(model: str | None = None) -> Iterator[tuple[str, str]]:
        """Measure one model, or all of them."""
        from demo.work.bench import machine, speed

        names = [model] if model is not None else list(library.entries)
        for number, name in enumerate(names):
            yield _overview(library, speeds), status(f"Measuring {name}.", fraction=number / len(names))
            speeds[name] = speed(library, name)
        text = f"{names[-1]}: {_speed_text(names[-1], speeds)}. " if len(names) == 1 else ""
        yield _overview(library, speeds), status(f"{text}Median of 3 runs on {machine()}; vocoders without analysis.")

    return measure


def _card(library: Library, name: str) -> str:
    """Return the text of a model's card, without its front matter."""
    entry = library.entry(name)
    if entry.path is None:
        return f"## {entry.label}\n\nA baseline of ondes, for comparison; it needs no training."
    if entry.path.is_file():
        facts = read_outline(entry.path).info.facts()
        return "\n".join([f"## {name}", "", *(f"- {key.replace('_', ' ')}: {value}" for key, value in facts.items())])
    try:
        text = read_text(entry.path / "README.md")
    except DataError:
        return f"## {name}\n\nThis model has no card."
    if text.startswith("---\n") and "\n---\n" in text[4:]:
        text = text[4:].split("\n---\n", 1)[1]
    # The page has its own heading; those of the card come below it.
    return re.sub(r"^(#{1,5} )", r"#\1", text.strip(), flags=re.MULTILINE)
