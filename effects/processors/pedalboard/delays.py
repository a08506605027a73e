"""Effects of pedalboard with long delays."""

from effects.knobs import Knob, KnobSet
from effects.processors.pedalboard.plugin import LivePlugin

__all__ = ["Delay", "Reverb"]


class Delay(LivePlugin):
    """pedalboard's delay: the input mixed with a delay line with feedback; delays are whole samples.

    Knobs:
        ``time``: 1 ms .. 1 s.
        ``feedback``: 0 .. 0.95, fraction of the output that is fed back.
        ``mix``: 0 .. 1, fraction of the delayed signal in the output.

    Neutral: mix 0.
    """

    name, plugin = "pedalboard_delay", "Delay"
    arguments = {"time": "delay_seconds", "feedback": "feedback", "mix": "mix"}
    knobs = KnobSet(
        knobs=(
            Knob(name="time", unit="s", min=0.001, max=1, default=0.25, scale="log"),
            Knob(name="feedback", min=0, max=0.95, default=0.4),
            Knob(name="mix", min=0, max=1, default=0.5),
        )
    )
    neutral = {"mix": 0.0}


class Reverb(LivePlugin):
    """pedalboard's reverb (Freeverb) for mono: each channel has a separate room.

    pedalboard's stereo reverb, which mixes two channels, fails on blocks of a single sample and is not offered.

    Knobs:
        ``room_size``: 0 .. 1.
        ``damping``: 0 .. 1, damping of high frequencies.
        ``wet``: 0 .. 1, level of the reverb.
        ``dry``: 0 .. 1, level of the input, which pedalboard doubles.

    Neutral: wet 0 and dry 0.5.
    """

    name, plugin = "pedalboard_reverb", "Reverb"
    arguments = {"room_size": "room_size", "damping": "damping", "wet": "wet_level", "dry": "dry_level"}
    knobs = KnobSet(
        knobs=(
            Knob(name="room_size", min=0, max=1, default=0.5),
            Knob(name="damping", min=0, max=1, default=0.5),
            Knob(name="wet", min=0, max=1, default=0.33),
            Knob(name="dry", min=0, max=1, default=0.4),
        )
    )
    neutral = {"wet": 0.0, "dry": 0.5}
