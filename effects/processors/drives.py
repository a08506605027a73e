"""Nonlinear effects: overdrives, distortion, a waveshaper, contrast.

They run at the rate of the audio, without oversampling: strong settings alias, and a model at that rate has to learn
the aliasing.
"""

import numpy as np

from effects.knobs import Knob, KnobSet
from effects.processors.filters import biquad_coefficients, highpass_coefficients
from effects.processors.processor import Arrays, Processor
from effects.processors.sample_loops import biquad

__all__ = ["Contrast", "CubicOverdrive", "Distortion", "Overdrive", "Waveshaper"]

_LEVEL = Knob(name="level", unit="dB", min=-24, max=6, default=0, scale="db")


class Waveshaper(Processor):
    """A memoryless curve: ``f(u) = (1 + k) u / (1 + k |u|)`` with ``k = 2 amount / (1 - amount)``.

    The output is ``f(x + asymmetry) - f(asymmetry)``; other asymmetries than 0 give even harmonics.

    Knobs:
        ``amount``: 0 .. 0.98.
        ``asymmetry``: -0.5 .. 0.5.

    Neutral: amount 0.
    """

    name = "waveshaper"
    knobs = KnobSet(
        knobs=(
            Knob(name="amount", min=0, max=0.98, default=0.6),
            Knob(name="asymmetry", min=-0.5, max=0.5, default=0),
        )
    )
    neutral = {"amount": 0.0}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        amount, shift = values["amount"][:, None, None], values["asymmetry"][:, None, None]
        k = 2 * amount / (1 - amount)

        def curve(u: np.ndarray) -> np.ndarray:
            return (1 + k) * u / (1 + k * np.abs(u))

        return curve(x + shift) - curve(shift), {}


class Distortion(Processor):
    """Hard clipping at full scale after a gain, blended with the input.

    Knobs:
        ``drive``: 0 .. 40 dB.
        ``level``: -24 .. 6 dB.
        ``mix``: 0 .. 1, fraction of the clipped signal in the output.

    Neutral: drive and level 0 dB (for audio within full scale).
    """

    name = "distortion"
    knobs = KnobSet(
        knobs=(
            Knob(name="drive", unit="dB", min=0, max=40, default=20, scale="db"),
            _LEVEL,
            Knob(name="mix", min=0, max=1, default=1),
        )
    )
    neutral = {"drive": 0.0, "level": 0.0}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        drive, level, mix = (values[name][:, None, None] for name in ("drive", "level", "mix"))
        clipped = np.clip(10 ** (drive / 20) * x, -1, 1)
        return 10 ** (level / 20) * ((1 - mix) * x + mix * clipped), {}


class Overdrive(Processor):
    """Soft clipping of the signal above 720 Hz, added to the input, as in pedals with a diode in the feedback path.

    The output is ``level * shelf(x + tanh((drive - 1) * highpass(x)))``, with a first-order high-pass filter and a
    shelf above 1.6 kHz.

    Knobs:
        ``drive``: 0 .. 40 dB.
        ``tone``: -12 .. 12 dB, gain of the shelf.
        ``level``: -24 .. 6 dB.

    Neutral: all knobs at 0 dB.
    """

    name = "overdrive"
    knobs = KnobSet(
        knobs=(
            Knob(name="drive", unit="dB", min=0, max=40, default=20, scale="db"),
            Knob(name="tone", unit="dB", min=-12, max=12, default=0, scale="db"),
            _LEVEL,
        )
    )
    neutral = {"drive": 0.0, "tone": 0.0, "level": 0.0}
    _CLIPPED_ABOVE, _SHELF = 720.0, 1600.0

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        return {"highpass": np.zeros((batch, channels, 2)), "shelf": np.zeros((batch, channels, 2))}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        batch = len(x)
        coefficients = np.tile(highpass_coefficients(self._CLIPPED_ABOVE, sample_rate), (batch, 1))
        high, highpass = biquad(x, coefficients, state["highpass"])
        gain = 10 ** (values["drive"][:, None, None] / 20) - 1
        flat = np.full(batch, np.sqrt(0.5))
        coefficients = biquad_coefficients("high_shelf", np.full(batch, self._SHELF), flat, values["tone"], sample_rate)
        y, shelf = biquad(x + np.tanh(gain * high), coefficients, state["shelf"])
        return 10 ** (values["level"][:, None, None] / 20) * y, {"highpass": highpass, "shelf": shelf}


class CubicOverdrive(Processor):
    """The overdrive of SoX and torchaudio: ``clip(x / 2 + 3/4 highpass(u - u^3 / 3))``, ``u`` the driven input.

    ``u`` is ``drive * x + colour / 200``, limited to [-1, 1]: colour adds even harmonics. The high-pass filter removes
    the offset, whose step is audible at the start of a stream; its pole is 0.995 at any sample rate.

    Knobs:
        ``drive``: 0 .. 40 dB.
        ``colour``: 0 .. 100.

    Neutral: no setting.
    """

    name = "cubic_overdrive"
    knobs = KnobSet(
        knobs=(
            Knob(name="drive", unit="dB", min=0, max=40, default=20, scale="db"),
            Knob(name="colour", min=0, max=100, default=20),
        )
    )
    _HIGHPASS = (1.0, -1.0, 0.0, -0.995, 0.0)

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        return {"highpass": np.zeros((batch, channels, 2))}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        drive, colour = (values[name][:, None, None] for name in ("drive", "colour"))
        driven = np.clip(10 ** (drive / 20) * x + colour / 200, -1, 1)
        high, highpass = biquad(driven - driven**3 / 3, np.tile(self._HIGHPASS, (len(x), 1)), state["highpass"])
        return np.clip(x / 2 + 0.75 * high, -1, 1), {"highpass": highpass}


class Contrast(Processor):
    """The loudness curve of SoX and torchaudio: ``sin(a + amount / 750 sin(4 a))`` with ``a = x pi / 2``.

    Knobs:
        ``amount``: 0 .. 100.

    Neutral: no setting.
    """

    name = "contrast"
    knobs = KnobSet(knobs=(Knob(name="amount", min=0, max=100, default=75),))

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        angle = x * (np.pi / 2)
        return np.sin(angle + values["amount"][:, None, None] / 750 * np.sin(4 * angle)), {}
