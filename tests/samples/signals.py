"""Signals for tests of several packages."""

import numpy as np


def sine(frequency: float, seconds: float = 2.0, amplitude: float = 1.0, rate: int = 24000) -> np.ndarray:
    """Return a sine (T,)."""
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
