"""Changes of training audio, as pure functions; all are off by default."""

import numpy as np

__all__ = ["draw_gain"]


def draw_gain(generator: np.random.Generator, range_db: tuple[float, float], peak: float) -> np.float32:
    """Draw a random gain, uniform in dB.

    Args:
        generator: source of randomness.
        range_db: lowest and highest gain in dB.
        peak: peak of the audio; a gain that would raise it above 1 is reduced so that it reaches 1.

    Returns:
        The factor for the samples.
    """
    gain = 10.0 ** (generator.uniform(*range_db) / 20.0)
    # This limit does not attenuate audio that is already above 1; only the range does.
    limit = max(1.0 / peak, min(1.0, gain)) if peak > 0 else gain
    return np.float32(min(gain, limit))
