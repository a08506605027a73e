"""Parts of the page that Gradio lacks: knobs from a schema, a player for audio in progress, tables."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr
import numpy as np

from demo.sound import to_integers
from vocoders.core.errors import ConfigError

if TYPE_CHECKING:
    from effects.knobs import KnobSet

__all__ = [
    "STYLE",
    "SeedDraw",
    "alarm",
    "clip_input",
    "file_input",
    "knob_panel",
    "knob_schema",
    "knob_values",
    "live_message",
    "live_player",
    "plain_html",
    "seed_input",
    "status",
    "table",
]

Uploader = TypeVar("Uploader", gr.Audio, gr.File)

_ASSETS = Path(__file__).parent / "assets"
STYLE = (_ASSETS / "style.css").read_text(encoding="utf-8")


def clip_input(**options: Any) -> gr.Audio:
    """Return an input for audio that users upload or record; it never loads an address."""
    return _without_addresses(gr.Audio(type="filepath", sources=["upload", "microphone"], buttons=[], **options))


def file_input(suffixes: Sequence[str], **options: Any) -> gr.File:
    """Return an input for a file that users upload; it never loads an address."""
    return _without_addresses(gr.File(type="filepath", file_types=list(suffixes), **options))


def _without_addresses(component: Uploader) -> Uploader:
    keep = component.async_move_resource_to_block_cache

    async def refuse_addresses(url_or_file_path: Any) -> str | None:
        # Otherwise the server would fetch any address from a caller of the API.
        if str(url_or_file_path or "").lower().startswith(("http:", "https:")):
            raise gr.Error("Files are uploaded, not fetched from an address.", print_exception=False)
        return await keep(url_or_file_path)

    component.async_move_resource_to_block_cache = refuse_addresses
    return component


@dataclass(frozen=True)
class SeedDraw:
    """A seed that changes with every run unless it is kept.

    Attributes:
        seed: the field.
        keep: whether it stays.
    """

    seed: gr.Number
    keep: gr.Checkbox

    @property
    def inputs(self) -> list[Any]:
        """Inputs of :meth:`script`, whose outputs are the seed and the name of the run."""
        return [self.keep, self.seed]

    def script(self, new_run: str) -> str:
        """Return the script that draws the seed of the next run and names the run."""
        return f"(keep, seed) => [keep ? seed : Math.floor(Math.random() * 2147483647), ({new_run})()]"


def seed_input(prefix: str, **options: Any) -> SeedDraw:
    """Return the field of a seed and a switch that keeps it."""
    with gr.Row():
        seed = gr.Number(
            0,
            label="Seed",
            precision=0,
            minimum=0,
            maximum=2**31 - 1,
            elem_id=f"{prefix}-seed",
            min_width=120,
            **options,
        )
        keep = gr.Checkbox(False, label="Keep the seed", elem_id=f"{prefix}-keep", min_width=120, **options)
    return SeedDraw(seed, keep)


def knob_panel(**options: Any) -> gr.HTML:
    """Return a panel whose sliders the page builds from :func:`knob_schema`; its event is ``release``."""
    return gr.HTML(
        value=None,
        apply_default_css=False,
        html_template='<div class="knobs" role="group" aria-label="Knobs of the effect"></div>',
        js_on_load="ondes.knobs({ element, props, watch, trigger }); /* 'release' */",
        **options,
    )


def knob_schema(
    knobs: "KnobSet", effect: str = "", presets: Mapping[str, Mapping[str, float]] | None = None
) -> dict[str, Any]:
    """Return the content of a panel: all knobs at their defaults.

    Args:
        knobs: of an effect.
        effect: its name.
        presets: values of knobs by the name of the preset.
    """
    described = [knob.model_dump(exclude={"smoothing_ms"}) for knob in knobs.knobs]
    values = {knob.name: knob.default for knob in knobs.knobs}
    return {"effect": effect, "knobs": described, "values": values, "presets": dict(presets or {})}


def knob_values(panel: Any) -> dict[str, Any]:
    """Return the settings from a panel or from a caller of the API: ``{"threshold": -24}``.

    Raises:
        ConfigError: for anything else.
    """
    if panel is None or panel == "":
        return {}
    values = panel.get("values", {}) if isinstance(panel, Mapping) and "knobs" in panel else panel
    if not isinstance(values, Mapping):
        raise ConfigError(f"knobs are {str(values)[:40]}; expected values by name, such as {{'threshold': -24}}")
    return dict(values)


def live_player(**options: Any) -> gr.HTML:
    """Return a player for the pieces of :func:`live_message`."""
    return gr.HTML(
        value=None,
        apply_default_css=False,
        html_template=(
            '<div class="live" data-pieces="0" data-seconds="0">'
            '<canvas width="800" height="72" role="img" aria-label="Waveform as it is generated"></canvas>'
            '<label><input type="checkbox" checked> Play while it is generated</label></div>'
        ),
        js_on_load="ondes.live({ element, props, watch });",
        **options,
    )


def live_message(
    run: str, sample_rate: int, total: int, index: int, pieces: Sequence[np.ndarray], state: str
) -> dict[str, Any]:
    """Return a message for a live player.

    Args:
        run: name of the generation.
        sample_rate: in Hz.
        total: samples of the complete generation.
        index: number of the first item of ``pieces``.
        pieces: (N,) float samples each.
        state: ``running``, ``done`` or ``cancelled``.
    """
    integers = [to_integers(piece).astype("<i2") for piece in pieces]
    encoded = [base64.b64encode(piece.tobytes()).decode("ascii") for piece in integers]
    return {"run": run, "rate": sample_rate, "total": total, "index": index, "pieces": encoded, "state": state}


def plain_html(value: str = "", **options: Any) -> gr.HTML:
    """Return HTML with the demo's style sheet instead of Gradio's."""
    return gr.HTML(value, apply_default_css=False, js_on_load=None, **options)


def alarm(text: str) -> str:
    """Return a line with the reason of a failure."""
    return f'<div class="ondes-status"><span role="alert">{html.escape(text)}</span></div>'


def status(text: str, remarks: Sequence[str] = (), fraction: float | None = None) -> str:
    """Return a status line, announced by screen readers, with remarks below."""
    bar = "" if fraction is None else f'<progress value="{fraction:.3f}" max="1">{100 * fraction:.0f} %</progress>'
    listed = "".join(f"<li>{html.escape(remark)}</li>" for remark in remarks)
    items = f"<ul>{listed}</ul>" if listed else ""
    return f'<div class="ondes-status" role="status">{bar}{html.escape(text)}{items}</div>'


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], caption: str, numbers: Sequence[int] = ()) -> str:
    """Return a table.

    Args:
        headings: headings of the columns.
        rows: texts; the first one of each row is its name.
        caption: for screen readers.
        numbers: indices of numeric columns.
    """

    def style(column: int) -> str:
        return ' class="number"' if column in numbers else ""

    head = "".join(f'<th scope="col"{style(i)}>{html.escape(text)}</th>' for i, text in enumerate(headings))
    body = ""
    for row in rows:
        first = f'<th scope="row">{html.escape(row[0])}</th>'
        # Narrow screens show a row as a list of these names.
        names = [html.escape(heading) for heading in headings]
        rest = "".join(
            f'<td{style(i)} data-name="{names[i]}">{html.escape(text)}</td>' for i, text in enumerate(row[1:], 1)
        )
        body += f"<tr>{first}{rest}</tr>"
    label = html.escape(caption)
    return (
        f'<div class="ondes-table" tabindex="0" role="region" aria-label="{label}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
