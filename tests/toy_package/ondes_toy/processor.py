"""A processor: signal processing in NumPy, from which models can learn."""

import numpy as np

from effects.knobs import Knob, KnobSet
from effects.processors.processor import Arrays, Processor


class Drive(Processor):
    """A gain into a tanh."""

    name = "toy_drive"
    knobs = KnobSet(knobs=(Knob(name="drive", unit="dB", min=0, max=24, default=12, scale="db"),))

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        """Return the next samples (B, C, T) and the state, of which this effect has none."""
        gain = 10 ** (values["drive"] / 20)
        return np.tanh(gain[:, None, None] * x), {}


DRIVE = Drive()
