"""Knob settings for training, and held-out settings for tests.

Positions on the dials follow a Sobol sequence. Two regions are held out: a slab in the middle of
each dial (a model must interpolate there), and the corners of the whole range (all knobs near an end).
"""

import functools

import numpy as np
import torch
from scipy.special import betaincinv

from effects.knobs import KnobSet

__all__ = ["draw_settings", "is_held_out", "spread_places"]

#: Position of the slab on each dial.
SLAB = (0.45, 0.55)
#: Size of a corner: distance to the ends of all dials.
CORNER = 0.1
_POINTS = 1 << 13
_TRIES = 1000


def is_held_out(positions: np.ndarray, knobs: KnobSet) -> bool:
    """Return whether a setting is held out.

    Args:
        positions: positions on the dials, (K,), 0 .. 1.
        knobs: the knobs; switches have no slab.
    """
    moving = np.array([not knob.is_discrete for knob in knobs.knobs])
    if not moving.any():
        return False
    places = positions[moving]
    in_slab = (places > SLAB[0]) & (places < SLAB[1])
    # With one or two knobs a corner would be an end, a frequent setting of users.
    in_corner = len(places) > 2 and bool(((places < CORNER) | (places > 1 - CORNER)).all())
    return bool(in_slab.any()) or in_corner


def draw_settings(
    knobs: KnobSet,
    index: int,
    generator: np.random.Generator,
    held_out: bool = False,
    ends: float = 0.0,
    shape: float = 1.0,
) -> np.ndarray:
    """Return the setting of an item as positions on the dials, (K,) float64.

    Args:
        knobs: the knobs.
        index: number of the item in the whole training, its index in the Sobol sequence.
        generator: generator of the item, for all further random numbers.
        held_out: draw a held-out setting.
        ends: probability of a knob at one of its ends.
        shape: shape of the distribution of positions, see :func:`spread_places`.
    """
    if len(knobs) == 0:
        return np.zeros(0)
    positions = _sequence(len(knobs))[index % _POINTS].copy()
    # Later rounds of the sequence have a common shift (Cranley and Patterson 1976).
    positions = (positions + np.random.default_rng([index // _POINTS, len(knobs)]).random(len(knobs))) % 1.0
    for _ in range(_TRIES):
        at_end = generator.random(len(knobs)) < ends
        setting = np.where(at_end, generator.integers(0, 2, len(knobs)), spread_places(positions, shape))
        if is_held_out(setting, knobs) == held_out:
            return setting
        positions = generator.random(len(knobs))
    return spread_places(positions, shape)


def spread_places(uniform: np.ndarray, shape: float) -> np.ndarray:
    """Map uniform positions 0 .. 1 monotonically to the distribution Beta(shape, shape)."""
    return uniform if shape == 1 else betaincinv(shape, shape, uniform)


@functools.cache
def _sequence(dimension: int) -> np.ndarray:
    engine = torch.quasirandom.SobolEngine(dimension, scramble=True, seed=0)
    return engine.draw(_POINTS, dtype=torch.float64).numpy()
