"""The plugins of pedalboard: dynamics, drives, filters, modulation and delays.

Oscillators start with the stream and continue over its blocks.
"""

from typing import Any

from effects.knobs import Knob, KnobSet
from effects.processors.pedalboard.plugin import LivePlugin, Plugin
from effects.processors.processor import Arrays, Processor

__all__ = ["PEDALBOARD"]

_ATTACK = Knob(name="attack", unit="s", min=0.0001, max=0.1, default=0.001, scale="log")
_RELEASE = Knob(name="release", unit="s", min=0.005, max=0.5, default=0.1, scale="log")
_RATE = Knob(name="rate", unit="Hz", min=0.05, max=10, default=1, scale="log")
_DEPTH = Knob(name="depth", min=0, max=1, default=0.5)
_FEEDBACK = Knob(name="feedback", min=0, max=0.95, default=0.25)
_MIX = Knob(name="mix", min=0, max=1, default=0.5)
_ARGUMENTS = {"rate": "rate_hz", "depth": "depth", "feedback": "feedback", "mix": "mix"}


class Compressor(LivePlugin):
    """pedalboard's compressor: a peak detector and a hard knee; no make-up gain.

    Knobs:
        ``threshold``: -50 .. 0 dB.
        ``ratio``: 1 .. 20.
        ``attack``: 0.1 .. 100 ms.
        ``release``: 5 ms .. 1 s.

    Neutral: ratio 1.
    """

    name, plugin = "pedalboard_compressor", "Compressor"
    arguments = {"threshold": "threshold_db", "ratio": "ratio", "attack": "attack_ms", "release": "release_ms"}
    knobs = KnobSet(
        knobs=(
            Knob(name="threshold", unit="dB", min=-50, max=0, default=-24, scale="db"),
            Knob(name="ratio", min=1, max=20, default=4, scale="log"),
            _ATTACK,
            _RELEASE.model_copy(update={"max": 1.0}),
        )
    )
    neutral = {"ratio": 1.0}


class Limiter(LivePlugin):
    """pedalboard's limiter: two compressors in series, with make-up gain.

    Knobs:
        ``threshold``: -30 .. 0 dB.
        ``release``: 5 .. 500 ms.

    Neutral: no setting.
    """

    name, plugin = "pedalboard_limiter", "Limiter"
    arguments = {"threshold": "threshold_db", "release": "release_ms"}
    knobs = KnobSet(
        knobs=(Knob(name="threshold", unit="dB", min=-30, max=0, default=-10, scale="db"), _RELEASE),
    )


class NoiseGate(LivePlugin):
    """pedalboard's noise gate: signals below the threshold are attenuated.

    Knobs:
        ``threshold``: -30 .. 0 dB.
        ``ratio``: 1 .. 20.
        ``attack``: 0.1 .. 100 ms.
        ``release``: 5 .. 500 ms.

    Neutral: ratio 1.
    """

    name, plugin = "pedalboard_noise_gate", "NoiseGate"
    arguments = {"threshold": "threshold_db", "ratio": "ratio", "attack": "attack_ms", "release": "release_ms"}
    knobs = KnobSet(
        knobs=(
            Knob(name="threshold", unit="dB", min=-30, max=0, default=-20, scale="db"),
            Knob(name="ratio", min=1, max=20, default=4, scale="log"),
            _ATTACK,
            _RELEASE,
        )
    )
    neutral = {"ratio": 1.0}


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


PEDALBOARD: tuple[Processor, ...] = (
    Compressor(),
    Limiter(),
    NoiseGate(),
    Distortion(),
    Clipping(),
    Bitcrush(),
    LadderFilter(),
    Chorus(),
    Phaser(),
    Delay(),
    Reverb(),
)
