"""Addition of noise, which models learn to remove."""

import numpy as np

from effects.knobs import Knob, KnobSet
from effects.processors.processor import Arrays, Processor

__all__ = ["AddNoise"]

_STEP = np.uint64(0x9E3779B97F4A7C15)


class AddNoise(Processor):
    """SignalTrain's ``denoise``: uniform white noise in [-strength, strength], added to the audio.

    It is an inverse processor: in training the noisy audio is the input and the clean audio the target. The noise is a
    pure function of the item's seed, the channel and the position in the stream.

    Knobs:
        ``strength``: 0 .. 0.5.

    Neutral: strength 0.
    """

    name = "denoise"
    knobs = KnobSet(knobs=(Knob(name="strength", min=0, max=0.5, default=0.1),))
    neutral = {"strength": 0.0}
    is_inverse = True

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        return {"seed": np.zeros(batch, dtype=np.int64), "position": np.zeros(batch, dtype=np.int64)}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        seeds, positions = state["seed"].view(np.uint64), state["position"].view(np.uint64)
        channels = np.arange(x.shape[1], dtype=np.uint64)
        samples = positions[:, None] + np.arange(x.shape[2], dtype=np.uint64)
        keys = _scramble(_scramble(seeds)[:, None] + channels)
        # The upper 53 bits, as a float64 in [0, 1).
        uniform = (_scramble(keys[:, :, None] + samples[:, None, :]) >> np.uint64(11)) * 2.0**-53
        y = x + values["strength"][:, None, None] * (2 * uniform - 1)
        return y, {"seed": state["seed"].copy(), "position": state["position"] + x.shape[2]}


def _scramble(x: np.ndarray) -> np.ndarray:
    """Return well mixed 64 bits for each number of ``x``: the output function of splitmix64."""
    x = (x + np.uint64(1)) * _STEP
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
