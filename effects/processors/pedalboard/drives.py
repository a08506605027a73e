"""Memoryless effects of pedalboard."""

from effects.knobs import Knob, KnobSet
from effects.processors.pedalboard.plugin import Plugin

__all__ = ["Bitcrush", "Clipping", "Distortion"]


class Distortion(Plugin):
    """pedalboard's distortion: the hyperbolic tangent after a gain.

    Knobs:
        ``drive``: 0 .. 40 dB.

    Neutral: no setting.
    """

    name, plugin = "pedalboard_distortion", "Distortion"
    arguments = {"drive": "drive_db"}
    knobs = KnobSet(knobs=(Knob(name="drive", unit="dB", min=0, max=40, default=20, scale="db"),))


class Clipping(Plugin):
    """pedalboard's clipping: hard clipping at the threshold.

    Knobs:
        ``threshold``: -30 .. 0 dB.

    Neutral: 0 dB (for audio within full scale).
    """

    name, plugin = "pedalboard_clipping", "Clipping"
    arguments = {"threshold": "threshold_db"}
    knobs = KnobSet(knobs=(Knob(name="threshold", unit="dB", min=-30, max=0, default=-6, scale="db"),))
    neutral = {"threshold": 0.0}


class Bitcrush(Plugin):
    """pedalboard's bit crusher: amplitudes rounded to multiples of ``2^-bits``.

    Knobs:
        ``bits``: 2 .. 16, including fractions.

    Neutral: no setting.
    """

    name, plugin = "pedalboard_bitcrush", "Bitcrush"
    arguments = {"bits": "bit_depth"}
    knobs = KnobSet(knobs=(Knob(name="bits", min=2, max=16, default=6),))
