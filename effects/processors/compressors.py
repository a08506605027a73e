"""The compressors of SignalTrain (Hawley et al. 2019, arXiv 1905.11928)."""

from collections.abc import Mapping

import numpy as np
from scipy import signal

from effects.knobs import Knob, KnobSet
from effects.processors.filters import butterworth_coefficients
from effects.processors.processor import Arrays, Processor
from effects.processors.sample_loops import gain_smoother

__all__ = ["COMP_4C", "COMP_LARGE", "Compressor", "SmoothedLevelCompressor"]


def _four_knobs(
    threshold: tuple[float, float], ratio: tuple[float, float], longest: float, default_time: float
) -> KnobSet:
    times = [
        Knob(name=name, unit="s", min=0.001, max=longest, default=default_time, scale="log")
        for name in ("attack", "release")
    ]
    return KnobSet(
        knobs=(
            Knob(name="threshold", unit="dB", min=threshold[0], max=threshold[1], default=-24, scale="db"),
            Knob(name="ratio", min=ratio[0], max=ratio[1], default=3),
            *times,
        )
    )


COMP_4C = _four_knobs((-30, 0), (1, 5), 0.04, 0.01)
COMP_LARGE = _four_knobs((-50, 0), (1.5, 10), 1.0, 0.1)


class Compressor(Processor):
    """Compressor with a sample-by-sample detector, a hard knee and smoothing of the gain in dB; no make-up gain.

    The first sample of a stream always passes unchanged.

    Knobs (``comp_4c`` / ``comp_large``):
        ``threshold``: -30 .. 0 dB / -50 .. 0 dB.
        ``ratio``: 1 .. 5 / 1.5 .. 10.
        ``attack``: 1 .. 40 ms / 1 ms .. 1 s, 10 to 90 %.
        ``release``: as ``attack``.

    Neutral: ``comp_4c`` at ratio 1; ``comp_large`` at threshold 0 dB.

    Args:
        name: name in the registry.
        knobs: the four knobs.
        neutral: the neutral setting.
    """

    def __init__(self, name: str, knobs: KnobSet, neutral: Mapping[str, float]) -> None:
        self.name, self.knobs, self.neutral = name, knobs, neutral

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        return {"gain_db": np.zeros((batch, channels)), "started": np.zeros(batch, dtype=np.int64)}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        settings = (values[name] for name in ("threshold", "ratio", "attack", "release"))
        y, gain_db = gain_smoother(x, *settings, float(sample_rate), state["gain_db"], state["started"])
        return y, {"gain_db": gain_db, "started": np.ones_like(state["started"])}


class SmoothedLevelCompressor(Processor):
    """SignalTrain's ``comp``: a static curve on a smoothed level, with a common time constant for attack and release.

    A first-order Butterworth low-pass filter with cutoff 1 / (2 time) Hz smooths the level in dB, starting from the
    level of the first sample.

    Knobs:
        ``threshold``: -30 .. 0 dB.
        ``ratio``: 1 .. 5.
        ``time``: 1 .. 40 ms.

    Neutral: ratio 1.
    """

    name = "comp"
    knobs = KnobSet(knobs=(*COMP_4C.knobs[:2], COMP_4C["attack"].model_copy(update={"name": "time"})))
    neutral = {"ratio": 1.0}

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        return {"filter": np.zeros((batch, channels, 1)), "started": np.zeros(batch, dtype=np.int64)}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        level = 20 * np.log10(np.abs(x) + 1e-6)
        smooth, memory = np.empty_like(level), np.empty_like(state["filter"])
        for item, time in enumerate(values["time"]):
            # scipy takes frequencies in units of the Nyquist frequency; above it no smoothing is needed.
            numerator, denominator = butterworth_coefficients(1, min(1 / (time * sample_rate), 0.99))
            steady = signal.lfilter_zi(numerator, denominator) * level[item, :, :1]
            start = state["filter"][item] if state["started"][item] else steady
            smooth[item], memory[item] = signal.lfilter(numerator, denominator, level[item], zi=start)
        threshold, ratio = values["threshold"][:, None, None], values["ratio"][:, None, None]
        out = np.where(smooth > threshold, threshold + (smooth - threshold) / ratio, smooth)
        y = x * 10 ** ((out - smooth) / 20)
        return y, {"filter": memory, "started": np.ones_like(state["started"])}
