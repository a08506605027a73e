"""Plots of the values of each file: a strip of dots for each system, its mean and interval, as SVG."""

import html
import math

import numpy as np

from recipes.metrics.evaluation import EvaluationResult
from recipes.metrics.metric import Metric

__all__ = ["strip_plot", "ticks"]

_WIDTH, _LEFT, _RIGHT, _ROW, _HEAD, _FOOT = 640, 150, 20, 34, 6, 26
_MOST_DOTS = 200


def strip_plot(result: EvaluationResult, metric: Metric) -> str:
    """Return an SVG element: one row of dots per system, on one scale; empty where nothing has a value.

    More than 200 files of a system are thinned out evenly over their sorted values; the mean is that of all.
    """
    found = {system: _points(result, system, metric) for system in result.systems}
    everything = [value for points in found.values() for _, value in points]
    if not everything:
        return ""
    low, high = min(everything), max(everything)
    margin = 0.04 * (high - low) or max(abs(high), 1.0) * 0.05
    low, high = low - margin, high + margin

    def x(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    height = _HEAD + _ROW * len(found) + _FOOT
    title = f"{html.escape(metric.heading)}: one dot per file, bar = 95 % interval of the mean"
    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{title}">']
    for tick in ticks(low, high):
        where = f"{x(tick):.1f}"
        bottom = height - _FOOT
        parts.append(f'<line class="grid" x1="{where}" x2="{where}" y1="{_HEAD}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{where}" y="{bottom + 16}">{tick:g}</text>')
    for row, (system, points) in enumerate(found.items()):
        y = _HEAD + _ROW * (row + 0.5)
        name = system if len(system) <= 22 else f"…{system[-21:]}"
        parts.append(f'<text class="name" x="{_LEFT - 8}" y="{y + 4:.1f}">{html.escape(name)}</text>')
        parts += [_dot(x(value), y, index, utt_id, value) for index, (utt_id, value) in enumerate(points)]
        parts += _mean(result, system, metric, x, y)
    return "".join([*parts, "</svg>"])


def _points(result: EvaluationResult, system: str, metric: Metric) -> list[tuple[str, float]]:
    points = [
        (s.utt_id, s.values[metric.name]) for s in result.scores if s.system == system and metric.name in s.values
    ]
    points.sort(key=lambda point: point[1])
    if len(points) <= _MOST_DOTS:
        return points
    return [points[index] for index in np.linspace(0, len(points) - 1, _MOST_DOTS).astype(int)]


def _dot(x: float, y: float, index: int, utt_id: str, value: float) -> str:
    # Neighbouring values step up and down, so that dots seldom hide each other.
    offset = (-8, 4, -2, 8, 0, -5)[index % 6]
    label = f"{html.escape(utt_id)}: {value:.4g}"
    return f'<circle cx="{x:.1f}" cy="{y + offset:.1f}" r="3"><title>{label}</title></circle>'


def _mean(result: EvaluationResult, system: str, metric: Metric, x, y: float) -> list[str]:
    summary = result.summary(system, metric.name)
    if summary.mean is None:
        return []
    centre = f"{x(summary.mean):.1f}"
    parts = []
    if summary.interval is not None:
        ends = f'x1="{x(summary.low):.1f}" x2="{x(summary.high):.1f}"'
        parts.append(f'<line class="interval" {ends} y1="{y:.1f}" y2="{y:.1f}"/>')
    left_out = f", {summary.left_out} left out" if summary.left_out else ""
    label = f"{html.escape(system)}: mean {summary.mean:.{metric.decimals}f}, n = {summary.n}{left_out}"
    mark = f'<line class="mean" x1="{centre}" x2="{centre}" y1="{y - 11:.1f}" y2="{y + 11:.1f}">'
    return [*parts, f"{mark}<title>{label}</title></line>"]


def ticks(low: float, high: float) -> list[float]:
    """Return some five round numbers between two values."""
    raw = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw)
    first = math.ceil(low / step)
    return [round(index * step, 12) for index in range(first, math.floor(high / step) + 1)]
