"""Echoes: a fixed number of repeats, and a delay line with feedback."""

import math

import numpy as np

from effects.knobs import Knob, KnobSet
from effects.processors.processor import Arrays, Processor
from effects.processors.sample_loops import delay_line

__all__ = ["Delay", "Echo"]


class Echo(Processor):
    """SignalTrain's echo: the input and some repeats, each with ``ratio`` times the amplitude of the previous one.

    Delays between samples are interpolated linearly.

    Knobs:
        ``delay``: 1 .. 2000 samples (SignalTrain trains with 400).
        ``ratio``: 0 .. 1 (SignalTrain draws from 0.4).
        ``echoes``: 1 .. 4 repeats (SignalTrain trains with 2).

    Neutral: ratio 0.
    """

    name = "echo"
    knobs = KnobSet(
        knobs=(
            Knob(name="delay", unit="samples", min=1, max=2000, default=400),
            Knob(name="ratio", min=0, max=1, default=0.4),
            Knob(name="echoes", min=1, max=4, default=2, scale="int"),
        )
    )
    neutral = {"ratio": 0.0}

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        longest = int(self.knobs["delay"].max * self.knobs["echoes"].max) + 1
        return {"past": np.zeros((batch, channels, longest))}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        length, size = x.shape[-1], state["past"].shape[-1]
        known = np.concatenate([state["past"], x], axis=-1)
        y = x.copy()
        for item in range(len(x)):
            for repeat in range(1, int(values["echoes"][item]) + 1):
                delay = repeat * values["delay"][item]
                start = size - math.floor(delay)
                newer, older = known[item, :, start : start + length], known[item, :, start - 1 : start - 1 + length]
                part = delay - math.floor(delay)
                y[item] += values["ratio"][item] ** repeat * ((1 - part) * newer + part * older)
        return y, {"past": known[..., -size:].copy()}


class Delay(Processor):
    """The input mixed with a delay line with feedback; delays between samples are interpolated linearly.

    Knobs:
        ``time``: 1 ms .. 1 s.
        ``feedback``: 0 .. 0.95, fraction of the output that is fed back.
        ``mix``: 0 .. 1, fraction of the delayed signal in the output.

    Neutral: mix 0.
    """

    name = "delay"
    knobs = KnobSet(
        knobs=(
            Knob(name="time", unit="s", min=0.001, max=1, default=0.25, scale="log"),
            Knob(name="feedback", min=0, max=0.95, default=0.4),
            Knob(name="mix", min=0, max=1, default=0.5),
        )
    )
    neutral = {"mix": 0.0}

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        longest = math.ceil(self.knobs["time"].max * sample_rate) + 2
        return {"line": np.zeros((batch, channels, longest))}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        delay = np.maximum(values["time"] * sample_rate, 1.0)
        delayed, line = delay_line(x, delay, values["feedback"], state["line"])
        mix = values["mix"][:, None, None]
        return (1 - mix) * x + mix * delayed, {"line": line}
