"""Filters of pedalboard: the ladder filter, and filters with a low-frequency oscillator.

The oscillators start with the stream and continue over its blocks.
"""

from typing import Any

from effects.knobs import Knob, KnobSet
from effects.processors.pedalboard.plugin import LivePlugin
from effects.processors.processor import Arrays

__all__ = ["Chorus", "LadderFilter", "Phaser"]

_RATE = Knob(name="rate", unit="Hz", min=0.05, max=10, default=1, scale="log")
_DEPTH = Knob(name="depth", min=0, max=1, default=0.5)
_FEEDBACK = Knob(name="feedback", min=0, max=0.95, default=0.25)
_MIX = Knob(name="mix", min=0, max=1, default=0.5)
_ARGUMENTS = {"rate": "rate_hz", "depth": "depth", "feedback": "feedback", "mix": "mix"}


class LadderFilter(LivePlugin):
    """pedalboard's ladder filter, after Moog's.

    Knobs:
        ``mode``: ``lpf12``, ``hpf12``, ``bpf12``, ``lpf24``, ``hpf24`` or ``bpf24``: low, high or band pass, and its
            slope in dB per octave.
        ``cutoff``: 40 Hz .. 18 kHz.
        ``resonance``: 0 .. 0.95.
        ``drive``: 1 .. 10, factor before the saturation.

    Neutral: no setting.
    """

    name, plugin = "pedalboard_ladder_filter", "LadderFilter"
    arguments = {"cutoff": "cutoff_hz", "resonance": "resonance", "drive": "drive"}
    knobs = KnobSet(
        knobs=(
            Knob.switch("mode", ("lpf12", "hpf12", "bpf12", "lpf24", "hpf24", "bpf24")),
            Knob(name="cutoff", unit="Hz", min=40, max=18000, default=1000, scale="log"),
            Knob(name="resonance", min=0, max=0.95, default=0.3),
            Knob(name="drive", min=1, max=10, default=2, scale="log"),
        )
    )

    def settings(self, values: Arrays, item: int) -> dict[str, Any]:
        """Return the arguments of an item's plugins, including the mode."""
        mode = self.knobs["mode"].format(values["mode"][item])
        return {"mode": getattr(self.plugin_class.Mode, mode.upper())} | super().settings(values, item)


class Chorus(LivePlugin):
    """pedalboard's chorus: a copy at a delay modulated by an oscillator.

    Knobs:
        ``rate``: 0.05 .. 10 Hz.
        ``depth``: 0 .. 1, depth of the modulation.
        ``delay``: 1 .. 50 ms, centre of the modulation.
        ``feedback``: 0 .. 0.95.
        ``mix``: 0 .. 1, fraction of the copy in the output.

    Neutral: mix 0.
    """

    name, plugin = "pedalboard_chorus", "Chorus"
    arguments = _ARGUMENTS | {"delay": "centre_delay_ms"}
    _delay = Knob(name="delay", unit="s", min=0.001, max=0.05, default=0.007, scale="log")
    knobs = KnobSet(knobs=(_RATE, _DEPTH, _delay, _FEEDBACK, _MIX))
    neutral = {"mix": 0.0}


class Phaser(LivePlugin):
    """pedalboard's phaser: six all-pass filters modulated by an oscillator.

    Knobs:
        ``rate``: 0.05 .. 10 Hz.
        ``depth``: 0 .. 1, depth of the modulation.
        ``frequency``: 100 Hz .. 5 kHz, centre of the modulation.
        ``feedback``: 0 .. 0.95.
        ``mix``: 0 .. 1, fraction of the filtered signal in the output.

    Neutral: mix 0.
    """

    name, plugin = "pedalboard_phaser", "Phaser"
    arguments = _ARGUMENTS | {"frequency": "centre_frequency_hz"}
    _frequency = Knob(name="frequency", unit="Hz", min=100, max=5000, default=1300, scale="log")
    knobs = KnobSet(knobs=(_RATE, _DEPTH, _frequency, _FEEDBACK, _MIX))
    neutral = {"mix": 0.0}
