"""Pages about runs: one file each, without any outside resource."""

import html
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from recipes.metrics.report_media import RANGE_DB, audio_address, decibels, spectrogram_address
from recipes.runs.curves import COLOURS, curve_plot
from recipes.runs.history import Clips, RunHistory, read_run
from vocoders.core.atomic import atomic_file
from vocoders.core.audio import read_audio
from vocoders.core.errors import DataError

__all__ = ["REPORT_FILE", "curve_section", "page_of", "run_page", "table", "write_report"]

REPORT_FILE = "report.html"
_MOST_CLIPS, _MOST_OUTPUTS, _SECONDS = 3, 4, 6.0
# Groups of curves, in the order of the page.
_GROUPS = {
    "Validation": ("valid/", "metric/", "best/"),
    "Losses": ("loss/",),
    "Gradients": ("gradient/",),
    "Training": ("",),
}


def write_report(folder: Path) -> Path:
    """Write the page of a run into its folder: curves, audio of validations over time, configuration.

    Raises:
        DataError: if the folder is none of a run, or cannot be written.
    """
    page = run_page(read_run(folder))
    path = folder / REPORT_FILE
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def run_page(run: RunHistory) -> str:
    """Return the page of a run."""
    best = [f"{name.removeprefix('best/')} {values[-1]:.4g}" for name, (_, values) in run.curves.items()
            if name.startswith("best/")]  # fmt: skip
    facts = [
        f"{run.settings.get('family', 'unknown family')}, objective {run.settings.get('objective.name', 'unknown')}",
        f"step {run.last_step:,} of {run.settings.get('trainer.max_steps', 0):,}",
        *([] if run.speed is None else [f"{run.speed:.3g} steps per second (median)"]),
        *([f"best so far: {', '.join(best)}"] if best else []),
    ]
    sections = [
        f"<p>{html.escape('; '.join(facts))}.</p>",
        curve_section({run.name: run}),
        _listening(run),
        _settings(run),
    ]
    return page_of(f"Run {run.name}", sections)


def page_of(title: str, sections: Iterable[str]) -> str:
    """Return an HTML page."""
    style = resources.files("recipes.metrics").joinpath("report.css").read_text(encoding="utf-8")
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{html.escape(title)}</title><style>{style}</style></head><body><main><h1>{html.escape(title)}</h1>"
    )
    return head + "\n".join(section for section in sections if section) + "</main></body></html>\n"


def curve_section(runs: Mapping[str, RunHistory]) -> str:
    """Return the curves of one or several runs, in groups; the legend stands above if there are several."""
    names = list(dict.fromkeys(name for run in runs.values() for name in run.curves))
    legend = ""
    if len(runs) > 1:
        items = (f'<span style="color:{COLOURS[number % len(COLOURS)]}">■</span> {html.escape(name)}'
                 for number, name in enumerate(runs))  # fmt: skip
        legend = f"<p>{' &nbsp; '.join(items)}</p>"
    parts, shown = [legend], set()
    for title, prefixes in _GROUPS.items():
        own = [name for name in names if name.startswith(prefixes) and name not in shown]
        shown.update(own)
        plots = [_plot(name, runs) for name in own]
        if any(plots):
            parts.append(f'<h2>{title}</h2><div class="plots">{"".join(plots)}</div>')
    return "".join(parts)


def _plot(name: str, runs: Mapping[str, RunHistory]) -> str:
    drawing = curve_plot(name, {label: run.curves.get(name) for label, run in runs.items()})
    return f"<figure><figcaption>{html.escape(name)}</figcaption>{drawing}</figure>" if drawing else ""


def _listening(run: RunHistory) -> str:
    if not run.clips:
        return ""
    chosen = list(run.clips)[:_MOST_CLIPS]
    intro = (
        f"<h2>Audio of validations</h2><p>At most the first {_SECONDS:g} s, and {_MOST_OUTPUTS} steps from the first "
        f"to the last; all of it is in valid/. Spectrograms: linear frequency up to half the sample rate, "
        f"{RANGE_DB:g} dB."
        "</p>"
    )
    return intro + "".join(_utterance(name, run.clips[name]) for name in chosen)


def _utterance(name: str, clips: Clips) -> str:
    steps = sorted(clips.outputs)
    if len(steps) > _MOST_OUTPUTS:
        steps = [steps[index] for index in np.linspace(0, len(steps) - 1, _MOST_OUTPUTS).round().astype(int)]
    files = {f"step {step:,}": clips.outputs[step] for step in steps}
    if clips.reference is not None:
        files = {"reference": clips.reference, **files}
    sounds = {title: sound for title, path in files.items() if (sound := _read(path)) is not None}
    spectra = {title: decibels(*sound) for title, sound in sounds.items()}
    top = max((float(spectrum.max()) for spectrum in spectra.values()), default=0.0)
    cards = [_card(f"{title}, {name}", title, sounds[title], spectra[title], top) for title in sounds]
    return f'<section><h3>{html.escape(name)}</h3><div class="cards">{"".join(cards)}</div></section>'


def _card(what: str, title: str, sound: tuple[np.ndarray, int], spectrum: np.ndarray, top: float) -> str:
    what = html.escape(what)
    return (
        f'<figure><figcaption>{html.escape(title)}</figcaption><img src="{spectrogram_address(spectrum, top)}" '
        f'alt="spectrogram of {what}"><audio controls preload="metadata" aria-label="{what}" '
        f'src="{audio_address(*sound)}"></audio></figure>'
    )


def _read(path: Path) -> tuple[np.ndarray, int] | None:
    try:
        audio, rate = read_audio(path)
    except DataError:  # removed since
        return None
    return audio[:, : round(_SECONDS * rate)].numpy(), rate


def _settings(run: RunHistory) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(key)}</td><td>{html.escape(str(value))}</td></tr>" for key, value in run.settings.items()
    )
    return f'<details><summary>Configuration</summary><div class="wide"><table>{rows}</table></div></details>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an HTML table; the first column names the rows."""
    cells = "".join(f"<th>{html.escape(text)}</th>" for text in head)
    body = "".join(
        f"<tr><th>{html.escape(first)}</th>{''.join(f'<td>{html.escape(text)}</td>' for text in rest)}</tr>"
        for first, *rest in rows
    )
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'
