"""Curves over steps as SVG: one line for each run, thinned to means where there are more points than pixels."""

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from recipes.metrics.report_plots import ticks
from recipes.runs.history import Curve

__all__ = ["COLOURS", "curve_plot", "thin"]

COLOURS = ("#2f6fb5", "#c2410c", "#2e8b57", "#8b5fbf", "#b08900", "#0f8b8d", "#c0398f", "#6b7280")
"""Colours of runs, in order; legible on light and dark paper."""

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 260, 70, 14, 10, 28
_MOST_POINTS = 300


@dataclass(frozen=True)
class _Frame:
    """Scales of a plot: steps from left to right, values, or their logarithms, from low to high."""

    first: float
    last: float
    low: float
    high: float
    is_logarithmic: bool

    @classmethod
    def around(cls, lines: Iterable[Curve]) -> "_Frame":
        steps, values = (np.concatenate(found) for found in zip(*lines, strict=True))
        is_logarithmic = values.min() > 0 and values.max() / values.min() > 100
        scaled = np.log10(values) if is_logarithmic else values
        low, high = float(scaled.min()), float(scaled.max())
        margin = 0.05 * (high - low) or abs(high) * 0.05 or 0.05
        first = float(steps.min())
        return cls(first, max(float(steps.max()), first + 1), low - margin, high + margin, bool(is_logarithmic))

    def x(self, step: float) -> float:
        return _LEFT + (step - self.first) / (self.last - self.first) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, height: float) -> float:
        return _TOP + (self.high - height) / (self.high - self.low) * (_HEIGHT - _TOP - _BOTTOM)

    def axes(self) -> list[str]:
        parts = []
        for tick in ticks(self.low, self.high):
            label, y = f"{10**tick:.3g}" if self.is_logarithmic else f"{tick:g}", self.y(tick)
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text class="name" x="{_LEFT - 6}" y="{y + 4:.1f}">{label}</text>')
        for tick in ticks(self.first, self.last):
            parts.append(f'<text class="tick" x="{self.x(tick):.1f}" y="{_HEIGHT - 8}">{_steps(tick)}</text>')
        return parts

    def line(self, run: str, colour: str, curve: Curve) -> str:
        steps, values = curve
        heights = np.log10(values) if self.is_logarithmic else values
        points = [(self.x(step), self.y(height)) for step, height in zip(steps, heights, strict=True)]
        title = f"<title>{html.escape(run)}: {values[-1]:.4g} at step {int(steps[-1])}</title>"
        if len(points) == 1:
            x, y = points[0]
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" style="fill:{colour};fill-opacity:1">{title}</circle>'
        place = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        return f'<polyline class="curve" style="stroke:{colour}" points="{place}">{title}</polyline>'


def curve_plot(name: str, curves: Mapping[str, Curve | None]) -> str:
    """Return an SVG element with the curves of several runs; empty where no value is finite.

    A run without the quantity is ``None``, so that a run has one colour in all plots. The scale is logarithmic where
    all values are positive and span more than two decades.
    """
    colours = {run: COLOURS[number % len(COLOURS)] for number, run in enumerate(curves)}
    lines = {run: thin(*curve) for run, curve in curves.items() if curve is not None}
    lines = {run: curve for run, curve in lines.items() if len(curve[0])}
    if not lines:
        return ""
    frame = _Frame.around(lines.values())
    drawn = [frame.line(run, colours[run], curve) for run, curve in lines.items()]
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(name)} over steps">'
    return "".join([head, *frame.axes(), *drawn, "</svg>"])


def thin(steps: np.ndarray, values: np.ndarray) -> Curve:
    """Return a curve without values that are not finite, of at most some hundred points: means of neighbours."""
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    if len(steps) <= _MOST_POINTS:
        return steps, values
    bins = np.array_split(np.arange(len(steps)), _MOST_POINTS)
    return np.array([steps[own].mean() for own in bins]), np.array([values[own].mean() for own in bins])


def _steps(value: float) -> str:
    """Return a number of steps in few characters: 20k, 1.5M."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"
