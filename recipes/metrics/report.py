"""An HTML page for an evaluation: table, values of every file, and audio next to its reference.

The page is one file without any outside resource: it contains sound, pictures and plots. Its size is bounded by
the number of utterances that are shown and by a limit on their length.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources

import numpy as np

from recipes.metrics.evaluation import NATURAL, EvaluationResult, Score, read_clip
from recipes.metrics.metric import Metric
from recipes.metrics.pairing import Clip, Pair
from recipes.metrics.report_media import RANGE_DB, audio_address, decibels, spectrogram_address
from recipes.metrics.report_plots import strip_plot
from recipes.metrics.results import format_summary, timing_line
from vocoders.core.errors import DataError

__all__ = ["choose_utterances", "results_html"]

_LONGEST_SECONDS = 20.0
_LISTED_PROBLEMS = 50


def results_html(
    result: EvaluationResult, title: str = "Results", notes: Sequence[str] = (), num_files: int = 8
) -> str:
    """Return the page.

    Args:
        result: the evaluation.
        title: heading of the page.
        notes: lines above the table, unchanged.
        num_files: number of utterances with sound and picture; see :func:`choose_utterances`.
    """
    style = resources.files("recipes.metrics").joinpath("report.css").read_text(encoding="utf-8")
    chosen = choose_utterances(result, num_files)
    sections = [
        f"<h1>{html.escape(title)}</h1>",
        *(f"<p>{html.escape(note)}</p>" for note in notes),
        _table(result),
        _problems(result),
        "<h2>Every file</h2><p>One dot per file (its name appears under the pointer); bar: 95 % interval of the mean."
        "</p>",
        f'<div class="plots">{"".join(_plot(result, metric) for metric in result.metrics)}</div>',
        _listening(result, chosen),
        _definitions(result),
    ]
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{html.escape(title)}</title><style>{style}</style></head><body><main>"
    )
    return head + "\n".join(section for section in sections if section) + "</main></body></html>\n"


def choose_utterances(result: EvaluationResult, num_files: int) -> list[str]:
    """Return up to ``num_files`` utterances from the worst to the best, evenly over their rank in the first metric.

    The rank is that of the mean over all systems but the natural row.
    """
    means: dict[str, list[float]] = {}
    for score in result.scores:
        values = means.setdefault(score.utt_id, [])
        if score.system != NATURAL:
            values += [score.values[metric.name] for metric in result.metrics[:1] if metric.name in score.values]
    direction = result.metrics[0].direction if result.metrics else None
    order = {"higher": 1.0, "lower": -1.0, "zero": -1.0}[direction.value] if direction else 1.0

    def rank(utt_id: str) -> tuple[bool, float, str]:
        value = float(np.mean(means[utt_id])) if means[utt_id] else 0.0
        return not means[utt_id], order * (abs(value) if direction == "zero" else value), utt_id

    ranked = sorted(means, key=rank)
    if num_files >= len(ranked):
        return ranked
    return [ranked[index] for index in np.linspace(0, len(ranked) - 1, num_files).round().astype(int)]


def _table(result: EvaluationResult) -> str:
    head = "".join(f"<th>{html.escape(metric.heading)}</th>" for metric in result.metrics)
    rows = []
    for system in result.systems:
        count = sum(score.system == system for score in result.scores)
        cells = "".join(_mean_cell(result, system, metric) for metric in result.metrics)
        rows.append(f"<tr><th>{html.escape(system)}</th><td>{count}</td>{cells}</tr>")
    body = "".join(rows)
    return (
        f'<div class="wide"><table><thead><tr><th>system</th><th>n</th>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div><p>Mean [95 % bootstrap interval]. ↑ higher, ↓ lower, →0 nearer to zero is better; bold: the best "
        "system. Files without a value are left out and counted; the remarks say why. "
        f"{html.escape(timing_line(result))}.</p>"
    )


def _mean_cell(result: EvaluationResult, system: str, metric: Metric) -> str:
    text = html.escape(format_summary(result, system, metric))
    own = result.summary(system, metric.name)
    others = [result.summary(other, metric.name) for other in result.systems if other not in (system, NATURAL)]
    if own.mean is None or system == NATURAL or not others:
        return f"<td>{text}</td>"
    beaten = any(other.mean is not None and metric.direction.better(other.mean, own.mean) for other in others)
    return f"<td>{text}</td>" if beaten else f"<td><b>{text}</b></td>"


def _problems(result: EvaluationResult) -> str:
    lines = [f"not run: {reason}" for reason in dict.fromkeys(result.not_run.values())]
    lines += [
        f"{problem.kind}: {problem.system} {problem.utt_id} {problem.metric}: {problem.message}"
        for problem in result.problems[:_LISTED_PROBLEMS]
    ]
    if len(result.problems) > _LISTED_PROBLEMS:
        lines.append(f"... and {len(result.problems) - _LISTED_PROBLEMS} more; the JSON file lists them all")
    if not lines:
        return ""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<details><summary>Remarks ({len(lines)})</summary><ul>{items}</ul></details>"


def _plot(result: EvaluationResult, metric: Metric) -> str:
    drawing = strip_plot(result, metric)
    return f"<figure><figcaption>{html.escape(metric.heading)}</figcaption>{drawing}</figure>" if drawing else ""


def _listening(result: EvaluationResult, chosen: Sequence[str]) -> str:
    if not chosen or not result.pairs:
        return ""
    pairs = {(pair.system, pair.utt_id): pair for pair in result.pairs}
    scores = {(score.system, score.utt_id): score for score in result.scores}
    total = len({score.utt_id for score in result.scores})
    which = "all" if len(chosen) == total else f"{len(chosen)} of {total}, evenly spread,"
    first = html.escape(result.metrics[0].title) if result.metrics else "name"
    intro = (
        f"<h2>Listen</h2><p>Utterances: {which} from the worst to the best by {first}; at most the first "
        f"{_LONGEST_SECONDS:g} s of each. Spectrograms: linear frequency up to half the sample rate, {RANGE_DB:g} dB "
        "on one scale per utterance.</p>"
    )
    return intro + "".join(_utterance(result, utt_id, pairs, scores) for utt_id in chosen)


def _utterance(
    result: EvaluationResult,
    utt_id: str,
    pairs: Mapping[tuple[str, str], Pair],
    scores: Mapping[tuple[str, str], Score],
) -> str:
    present = [system for system in result.systems if (system, utt_id) in scores and system != NATURAL]
    named = {"reference": next(pair.reference for (_, name), pair in pairs.items() if name == utt_id)}
    clips: dict[str, Clip] = {**named, **{system: pairs[system, utt_id].generated for system in present}}
    sounds: dict[str, tuple[np.ndarray, int]] = {}
    for name, clip in clips.items():
        try:
            seconds = _LONGEST_SECONDS if clip.duration is None else min(clip.duration, _LONGEST_SECONDS)
            samples, sample_rate = read_clip(replace(clip, duration=seconds))
        except DataError:  # removed since the measurement
            continue
        sounds[name] = samples.numpy(), sample_rate
    spectra = {name: decibels(*sound) for name, sound in sounds.items()}
    top = max((float(spectrum.max()) for spectrum in spectra.values()), default=0.0)
    cards = []
    for name, (samples, sample_rate) in sounds.items():
        score = scores.get((NATURAL if name == "reference" else name, utt_id))
        picture, sound = spectrogram_address(spectra[name], top), audio_address(samples, sample_rate)
        what = f"{html.escape(name)}, {html.escape(utt_id)}"
        cards.append(
            f'<figure><figcaption>{html.escape(name)}</figcaption><img src="{picture}" alt="spectrogram of {what}">'
            f'<audio controls preload="metadata" aria-label="{what}" src="{sound}"></audio>'
            f"{_values(result.metrics, score)}</figure>"
        )
    return f'<section><h3>{html.escape(utt_id)}</h3><div class="cards">{"".join(cards)}</div></section>'


def _values(metrics: Sequence[Metric], score: Score | None) -> str:
    if score is None:
        return ""
    rows = "".join(
        f"<tr><td>{html.escape(metric.heading)}</td><td>{score.values[metric.name]:.{metric.decimals}f}</td></tr>"
        for metric in metrics
        if metric.name in score.values
    )
    return f'<table class="values">{rows}</table>'


def _definitions(result: EvaluationResult) -> str:
    items = "".join(
        f"<dt>{html.escape(metric.title)}</dt><dd>{html.escape(metric.definition)}</dd>" for metric in result.metrics
    )
    return f"<h2>Definitions</h2><dl>{items}</dl>"
