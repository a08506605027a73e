"""A metric: one number about a generated signal, with its unit and the better direction."""

import numpy as np

from recipes.metrics.metric import Direction, Metric, SignalPair


class CrestFactor(Metric):
    """Peak over RMS of the generated signal, in dB above that of the reference."""

    name = "toy_crest"
    title = "crest"
    unit = "dB"
    direction = Direction.ZERO
    definition = "20 log10(peak / RMS), generated less reference"

    def measure(self, pair: SignalPair) -> float:
        """Return the difference."""
        return _crest(pair.generated.samples) - _crest(pair.reference.samples)


def _crest(samples: np.ndarray) -> float:
    return 20 * np.log10(np.abs(samples).max() / np.sqrt(np.square(samples, dtype=np.float64).mean()))
