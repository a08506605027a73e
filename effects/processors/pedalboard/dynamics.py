"""Effects of pedalboard that follow the level."""

from effects.knobs import Knob, KnobSet
from effects.processors.pedalboard.plugin import LivePlugin

__all__ = ["Compressor", "Limiter", "NoiseGate"]

_ATTACK = Knob(name="attack", unit="s", min=0.0001, max=0.1, default=0.001, scale="log")
_RELEASE = Knob(name="release", unit="s", min=0.005, max=0.5, default=0.1, scale="log")


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
