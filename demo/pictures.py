"""Pictures of audio as HTML: spectrograms and curves with the page's colours and width.

Images are small PNGs stretched by the browser; axes, labels and curves are text and vectors in the colours of the page.
One picture thus suits light and dark mode, narrow screens and screen readers.
"""

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

__all__ = ["curves", "difference", "figure", "spectrogram"]

# Viridis (van der Walt and Smith 2015) at ten equal steps: uniform in lightness, also for colour-blind readers.
_VIRIDIS = "440154 482878 3e4a89 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725"
# Dash patterns of lines; the style sheet has their colours for both modes, after Okabe and Ito (2008).
_DASHES = ["", "6 4", "2 3", "8 3 2 3"]
_LOUDER, _QUIETER = (213, 94, 0), (0, 114, 178)
_RANGE_DB = 80.0
_DIFFERENCE_DB = 20.0


def figure(panels: Sequence[str], caption: str) -> str:
    """Stack panels vertically."""
    return f'<figure class="ondes-figure">{"".join(panels)}<figcaption>{html.escape(caption)}</figcaption></figure>'


def spectrogram(title: str, levels: np.ndarray, top_db: float, seconds: float, sample_rate: int) -> str:
    """Draw a log-mel spectrogram.

    Args:
        title: text above it.
        levels: (bands, F) in dB.
        top_db: level of the brightest colour; the darkest is 80 dB below.
        seconds: duration.
        sample_rate: in Hz; the bands reach half of it.
    """
    position = np.clip((levels - top_db) / _RANGE_DB + 1, 0, 1)
    picture = _image(_viridis(position)[::-1], f"Log-mel spectrogram of {title}, {seconds:.1f} seconds")
    scale = _scale_bar("linear-gradient(to right," + ",".join(f"#{code}" for code in _VIRIDIS.split()) + ")")
    legend = f'<span class="scale">−{_RANGE_DB:.0f} dB {scale} 0 dB</span>'
    return _panel(title, legend, picture, _mel_ticks(sample_rate), _time_ticks(seconds), "kHz", "s")


def difference(title: str, levels: np.ndarray, seconds: float, sample_rate: int) -> str:
    """Draw the difference of two log-mel spectrograms: orange is louder, blue quieter, transparent equal.

    Args:
        title: text above it.
        levels: (bands, F) difference in dB.
        seconds: duration.
        sample_rate: in Hz.
    """
    amount = np.clip(np.abs(levels) / _DIFFERENCE_DB, 0, 1)
    pixels = np.empty((*levels.shape, 4), np.uint8)
    pixels[..., :3] = np.where(levels[..., None] > 0, _LOUDER, _QUIETER)
    pixels[..., 3] = np.rint(255 * amount)
    picture = _image(pixels[::-1], f"Difference of the spectrograms, {title}")
    louder, quieter = (f"rgb({','.join(map(str, colour))})" for colour in (_LOUDER, _QUIETER))
    scale = _scale_bar(f"linear-gradient(to right,{quieter},transparent,{louder})")
    legend = f'<span class="scale">−{_DIFFERENCE_DB:.0f} dB {scale} +{_DIFFERENCE_DB:.0f} dB</span>'
    return _panel(title, legend, picture, _mel_ticks(sample_rate), _time_ticks(seconds), "kHz", "s")


def curves(
    title: str,
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    units: tuple[str, str],
    log_x: bool = False,
    log_y: bool = False,
) -> str:
    """Draw curves; a NaN interrupts a line.

    Args:
        title: above them.
        lines: name -> x and y, each (N,).
        x_range: ends of the horizontal axis.
        y_range: ends of the vertical axis.
        units: of x and y.
        log_x: logarithmic horizontal axis.
        log_y: logarithmic vertical axis.
    """
    x_ticks, y_ticks = _ticks(*x_range, log_x), _ticks(*y_range, log_y)
    grid = "".join(f'<line class="grid" x1="0" x2="1000" y1="{_y(p)}" y2="{_y(p)}"/>' for p, _ in y_ticks)
    grid += "".join(f'<line class="grid" y1="0" y2="1000" x1="{_x(p)}" x2="{_x(p)}"/>' for p, _ in x_ticks)
    drawn, legend = [], []
    for number, ((name, (x, y)), dash) in enumerate(zip(lines.items(), _DASHES, strict=False)):
        style = f'style="stroke:var(--line-{number})" stroke-dasharray="{dash}"'
        paths = _paths(_positions(x, *x_range, log_x), np.clip(_positions(y, *y_range, log_y), -0.02, 1.02))
        drawn.append(f'<path class="curve" {style} d="{paths}"/>')
        key = f'<svg class="key" viewBox="0 0 28 6" aria-hidden="true"><path {style} d="M0 3H28"/></svg>'
        legend.append(f"<span>{key}{html.escape(name)}</span>")
    label = html.escape(f"{title}: {', '.join(lines)}")
    picture = (
        f'<svg class="plot" viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"{grid}{''.join(drawn)}</svg>"
    )
    return _panel(title, "".join(legend), picture, y_ticks, x_ticks, units[1], units[0])


def _panel(
    title: str,
    legend: str,
    picture: str,
    y_ticks: Sequence[tuple[float, str]],
    x_ticks: Sequence[tuple[float, str]],
    y_unit: str,
    x_unit: str,
) -> str:
    side = "".join(f'<span style="bottom:{100 * p:.2f}%">{label}</span>' for p, label in y_ticks)
    # The unit replaces the last tick at the right end.
    below = "".join(f'<span style="left:{100 * p:.2f}%">{label}</span>' for p, label in x_ticks if p < 0.96)
    head = f'<strong>{html.escape(title)}</strong><span class="legend">{legend}</span>'
    return (
        f'<div class="panel"><div class="head">{head}</div>'
        f'<div class="body"><div class="side" aria-hidden="true"><i>{y_unit}</i>{side}</div>'
        f'<div class="area">{picture}</div></div>'
        f'<div class="below" aria-hidden="true">{below}<i>{x_unit}</i></div></div>'
    )


def _image(pixels: np.ndarray, alternative: str) -> str:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", optimize=False, compress_level=6)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img class="plot" alt="{html.escape(alternative)}" src="data:image/png;base64,{data}">'


def _viridis(position: np.ndarray) -> np.ndarray:
    anchors = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in _VIRIDIS.split()], float)
    table = np.stack([np.interp(np.linspace(0, 9, 256), np.arange(10), anchors[:, c]) for c in range(3)], axis=1)
    return np.rint(table).astype(np.uint8)[np.rint(position * 255).astype(np.uint8)]


def _scale_bar(gradient: str) -> str:
    return f'<span class="bar" style="background:{gradient}" aria-hidden="true"></span>'


def _mel_ticks(sample_rate: int) -> list[tuple[float, str]]:
    top = _mel(sample_rate / 2)
    ticks = [0, 500, 1000, 2000, 4000, 8000, 16000]
    return [(_mel(f) / top, f"{f / 1000:g}") for f in ticks if _mel(f) / top <= 0.97]


def _mel(frequency: float) -> float:
    return 2595 * math.log10(1 + frequency / 700)


def _time_ticks(seconds: float) -> list[tuple[float, str]]:
    return _ticks(0.0, seconds, False)


def _ticks(low: float, high: float, log: bool) -> list[tuple[float, str]]:
    marks = []
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        marks = [m * 10.0**d for d in decades for m in (1, 2, 5)]
    if sum(low <= mark <= high for mark in marks) < 3:
        rough = (high - low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
        marks = [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    ends = 1e-9 * (high - low)
    inside = [mark for mark in marks if low - ends <= mark <= high + ends]
    positions = _positions(np.array(inside), low, high, log)
    return [(float(p), _short(mark)) for p, mark in zip(positions, inside, strict=True)]


def _short(number: float) -> str:
    text = f"{number / 1000:g}k" if abs(number) >= 1000 else f"{number:.4g}"
    return "0" if text == "-0" else text.replace("-", "−")


def _positions(values: np.ndarray, low: float, high: float, log: bool) -> np.ndarray:
    if log:
        return np.log(np.maximum(values, 1e-12) / low) / math.log(high / low)
    return (values - low) / (high - low)


def _paths(x: np.ndarray, y: np.ndarray) -> str:
    parts, pen_up = [], True
    for u, v in zip(x, y, strict=True):
        if not math.isfinite(v):
            pen_up = True
            continue
        parts.append(f"{'M' if pen_up else 'L'}{_x(u)} {_y(v)}")
        pen_up = False
    return "".join(parts)


def _x(position: float) -> str:
    return f"{1000 * position:.1f}"


def _y(position: float) -> str:
    return f"{1000 * (1 - position):.1f}"
