"""The simplest processors: a gain, and an offset with clipping at full scale."""

import numpy as np

from effects.knobs import Knob, KnobSet
from effects.processors.processor import Arrays, Processor

__all__ = ["Gain", "Offset"]


class Gain(Processor):
    """A gain.

    Knobs:
        ``gain``: -24 .. 24 dB.

    Neutral: 0 dB.
    """

    name = "gain"
    knobs = KnobSet(knobs=(Knob(name="gain", unit="dB", min=-24, max=24, default=6, scale="db"),))
    neutral = {"gain": 0.0}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        return 10 ** (values["gain"][:, None, None] / 20) * x, {}


class Offset(Processor):
    """A constant offset, clipped at full scale: ``dcshift`` of SoX and torchaudio, without its limiter.

    Knobs:
        ``shift``: -1 .. 1.

    Neutral: shift 0 (for audio within full scale).
    """

    name = "offset"
    knobs = KnobSet(knobs=(Knob(name="shift", min=-1, max=1, default=0.25),))
    neutral = {"shift": 0.0}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        return np.clip(x + values["shift"][:, None, None], -1, 1), {}
