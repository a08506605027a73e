"""Processors with a modulated delay: the phaser and the flanger of SoX and torchaudio, as streams.

The modulation of every channel starts with the stream and continues over its blocks. A change of its speed does not
change its phase.
"""

import math

import numpy as np

from effects.knobs import Knob, KnobSet
from effects.processors.processor import Arrays, Processor
from effects.processors.sample_loops import flanger_line, phaser_line

__all__ = ["Flanger", "Phaser"]

_MODULATION = Knob.switch("modulation", ("sinusoidal", "triangular"))


def _samples(seconds: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the nearest whole number of samples."""
    return (seconds * sample_rate + 0.5).astype(np.int64)


class Phaser(Processor):
    """The sum of the input and its past output, at a modulated delay between one sample and ``delay``.

    At short delays it is a sweeping comb with wide notches. Delays are whole samples, and the output is clipped at full
    scale, as in torchaudio; its ``gain_in`` and ``gain_out`` are one knob here, their product.

    Knobs:
        ``gain``: 0 .. 1.
        ``delay``: 0.5 .. 5 ms, the longest.
        ``decay``: 0 .. 0.95, factor of the past output.
        ``speed``: 0.1 .. 2 Hz.
        ``modulation``: ``sinusoidal`` or ``triangular``.

    Neutral: decay 0 and gain 1.
    """

    name = "phaser"
    knobs = KnobSet(
        knobs=(
            Knob(name="gain", min=0, max=1, default=0.5),
            Knob(name="delay", unit="s", min=0.0005, max=0.005, default=0.003, scale="log"),
            Knob(name="decay", min=0, max=0.95, default=0.4),
            Knob(name="speed", unit="Hz", min=0.1, max=2, default=0.5, scale="log"),
            _MODULATION,
        )
    )
    neutral = {"decay": 0.0, "gain": 1.0}

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        longest = math.ceil(self.knobs["delay"].max * sample_rate) + 1
        return {"phase": np.zeros(batch), "line": np.zeros((batch, channels, longest))}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        longest = np.maximum(_samples(values["delay"], sample_rate), 1)
        period = (sample_rate / values["speed"] + 0.5).astype(np.int64)
        wave = values["modulation"] == 1
        y, phase, line = phaser_line(x, longest, values["decay"], period, wave, state["phase"], state["line"])
        return np.clip(values["gain"][:, None, None] * y, -1, 1), {"phase": phase, "line": line}


class Flanger(Processor):
    """The sum of the input and a copy of it at a modulated delay between ``delay`` and ``delay + depth``.

    The levels are balanced as in torchaudio: a louder copy or more feedback lowers both. The output is clipped at full
    scale. All channels have the same modulation.

    Knobs:
        ``delay``: 0 .. 30 ms.
        ``depth``: 0 .. 10 ms.
        ``feedback``: -0.95 .. 0.95, fraction of the copy that is fed back.
        ``width``: 0 .. 1, level of the copy relative to the input.
        ``speed``: 0.1 .. 10 Hz.
        ``modulation``: ``sinusoidal`` or ``triangular``.

    Neutral: width 0 (for audio within full scale).
    """

    name = "flanger"
    knobs = KnobSet(
        knobs=(
            Knob(name="delay", unit="s", min=0, max=0.03, default=0.001),
            Knob(name="depth", unit="s", min=0, max=0.01, default=0.002),
            Knob(name="feedback", min=-0.95, max=0.95, default=0.4),
            Knob(name="width", min=0, max=1, default=0.71),
            Knob(name="speed", unit="Hz", min=0.1, max=10, default=0.5, scale="log"),
            _MODULATION,
        )
    )
    neutral = {"width": 0.0}

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        longest = math.ceil((self.knobs["delay"].max + self.knobs["depth"].max) * sample_rate) + 2
        line = np.zeros((batch, channels, longest))
        return {"phase": np.zeros(batch), "line": line, "delayed": np.zeros((batch, channels))}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        shortest = _samples(values["delay"], sample_rate)
        longest = _samples(values["delay"] + values["depth"], sample_rate)
        feedback, period = values["feedback"], (sample_rate / values["speed"]).astype(np.int64)
        swing = shortest, longest, feedback, period, values["modulation"] == 1
        y, phase, line, delayed = flanger_line(x, *swing, state["phase"], state["line"], state["delayed"])
        copy = values["width"] / (1 + values["width"]) * (1 - np.abs(feedback))
        mixed = x / (1 + values["width"][:, None, None]) + copy[:, None, None] * y
        return np.clip(mixed, -1, 1), {"phase": phase, "line": line, "delayed": delayed}
