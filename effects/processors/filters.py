"""Linear filters: second-order sections of the audio EQ cookbook, SoX's band, and SignalTrain's low-pass filter."""

from typing import Literal, cast, get_args

import numpy as np
from scipy import signal

from effects.knobs import Knob, KnobSet
from effects.processors.processor import Arrays, Processor
from effects.processors.sample_loops import biquad

__all__ = [
    "Band",
    "Biquad",
    "BiquadKind",
    "ButterworthLowpass",
    "biquad_coefficients",
    "butterworth_coefficients",
    "highpass_coefficients",
]

BiquadKind = Literal["lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "low_shelf", "high_shelf"]
_WITH_GAIN = ("peak", "low_shelf", "high_shelf")
# Largest frequency as a fraction of the sample rate: at the Nyquist frequency the bilinear transform is singular.
_HIGHEST = 0.49


def biquad_coefficients(
    kind: BiquadKind, frequency: np.ndarray, q: np.ndarray, gain_db: np.ndarray, sample_rate: int
) -> np.ndarray:
    """Return b0, b1, b2, a1, a2 (..., 5) with a0 = 1, after R. Bristow-Johnson's audio EQ cookbook.

    Args:
        kind: response.
        frequency: cutoff, centre or middle of the shelf in Hz; at most 0.49 times the sample rate is used.
        q: quality factor, also of shelves.
        gain_db: gain of peaks and shelves in dB; others ignore it.
        sample_rate: in Hz.
    """
    omega = 2 * np.pi * np.minimum(frequency / sample_rate, _HIGHEST)
    cosine, alpha = np.cos(omega), np.sin(omega) / (2 * q)
    amplitude = 10 ** (gain_db / 40)
    if kind in ("low_shelf", "high_shelf"):
        # A high shelf is a low shelf with the frequency axis reversed: z becomes -z.
        side = 1 if kind == "low_shelf" else -1
        plus, minus, root = amplitude + 1, (amplitude - 1) * side * cosine, 2 * np.sqrt(amplitude) * alpha
        b0, b2 = amplitude * (plus - minus + root), amplitude * (plus - minus - root)
        a0, a2 = plus + minus + root, plus + minus - root
        b1 = 2 * amplitude * (side * (amplitude - 1) - plus * cosine)
        a1 = -2 * (side * (amplitude - 1) + plus * cosine)
    else:
        one = np.ones_like(cosine)
        numerators = {
            "lowpass": ((1 - cosine) / 2, 1 - cosine, (1 - cosine) / 2),
            "highpass": ((1 + cosine) / 2, -(1 + cosine), (1 + cosine) / 2),
            "bandpass": (alpha, 0 * one, -alpha),
            "notch": (one, -2 * cosine, one),
            "allpass": (1 - alpha, -2 * cosine, 1 + alpha),
            "peak": (1 + alpha * amplitude, -2 * cosine, 1 - alpha * amplitude),
        }
        b0, b1, b2 = numerators[kind]
        width = alpha / amplitude if kind == "peak" else alpha
        a0, a1, a2 = 1 + width, -2 * cosine, 1 - width
    return np.stack([b0 / a0, b1 / a0, b2 / a0, a1 / a0, a2 / a0], axis=-1)


def highpass_coefficients(frequency: float, sample_rate: int) -> np.ndarray:
    """Return b0, b1, b2, a1, a2 (5,) of a first-order high-pass filter (bilinear transform)."""
    tangent = np.tan(np.pi * min(frequency / sample_rate, _HIGHEST))
    return np.array([1.0, -1.0, 0.0, tangent - 1, 0.0]) / np.array([1 + tangent] * 5)


def butterworth_coefficients(order: int, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Return numerator and denominator (order + 1,) of a low-pass filter; ``cutoff`` is in Nyquist frequencies."""
    # scipy has no types; what pyright infers knows every other output of the function too.
    return cast(tuple[np.ndarray, np.ndarray], signal.butter(order, cutoff))


class Biquad(Processor):
    """A second-order filter of the audio EQ cookbook.

    Knobs:
        ``frequency``: cutoff, centre or middle of the shelf, 20 Hz .. 20 kHz (never above 0.49 times the sample rate).
        ``q``: 0.2 .. 8.
        ``gain``: -18 .. 18 dB, of peaks and shelves.

    Neutral: peaks and shelves at a gain of 0 dB; the others have no neutral setting.

    Args:
        kind: response; the name in the registry is ``biquad_`` followed by the kind.
    """

    def __init__(self, kind: BiquadKind) -> None:
        if kind not in get_args(BiquadKind):
            raise ValueError(f"kind is '{kind}', expected one of {', '.join(get_args(BiquadKind))}")
        self.kind: BiquadKind = kind
        self.name = f"biquad_{kind}"
        knobs = [
            Knob(name="frequency", unit="Hz", min=20, max=20000, default=1000, scale="log"),
            Knob(name="q", label="Q", min=0.2, max=8, default=0.7071, scale="log"),
        ]
        if kind in _WITH_GAIN:
            knobs.append(Knob(name="gain", unit="dB", min=-18, max=18, default=6, scale="db"))
            self.neutral = {"gain": 0.0}
        self.knobs = KnobSet(knobs=tuple(knobs))

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        return {"memory": np.zeros((batch, channels, 2))}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        gain = values.get("gain", np.zeros(len(x)))
        coefficients = biquad_coefficients(self.kind, values["frequency"], values["q"], gain, sample_rate)
        y, memory = biquad(x, coefficients, state["memory"])
        return y, {"memory": memory}


class Band(Processor):
    """A resonance: the two-pole filter that SoX and torchaudio call ``band``.

    Knobs:
        ``frequency``: 20 Hz .. 20 kHz (never above 0.49 times the sample rate).
        ``q``: 0.5 .. 8; the band is ``frequency / q`` wide.
        ``mode``: ``tone`` has a gain of 1 at the frequency, ``noise`` keeps the power of white noise.

    Neutral: no setting.
    """

    name = "band"
    knobs = KnobSet(
        knobs=(
            Knob(name="frequency", unit="Hz", min=20, max=20000, default=1000, scale="log"),
            Knob(name="q", label="Q", min=0.5, max=8, default=2, scale="log"),
            Knob.switch("mode", ("tone", "noise")),
        )
    )

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        return {"memory": np.zeros((batch, channels, 2))}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        frequency = np.minimum(values["frequency"] / sample_rate, _HIGHEST)
        a2 = np.exp(-2 * np.pi * frequency / values["q"])
        a1 = -4 * a2 / (1 + a2) * np.cos(2 * np.pi * frequency)
        tone = np.sqrt(1 - a1**2 / (4 * a2)) * (1 - a2)
        noise = np.sqrt(((1 + a2) ** 2 - a1**2) * (1 - a2) / (1 + a2))
        b0, zero = np.where(values["mode"] == 0, tone, noise), np.zeros(len(x))
        y, memory = biquad(x, np.stack([b0, zero, zero, a1, a2], axis=-1), state["memory"])
        return y, {"memory": memory}


class ButterworthLowpass(Processor):
    """SignalTrain's ``lowpass``: a Butterworth filter of order 3.

    Knobs:
        ``cutoff``: 10 Hz .. 2 kHz (never above 0.49 times the sample rate).

    Neutral: no setting.
    """

    name = "lowpass"
    knobs = KnobSet(knobs=(Knob(name="cutoff", unit="Hz", min=10, max=2000, default=500, scale="log"),))
    _ORDER = 3

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        return {"memory": np.zeros((batch, channels, self._ORDER))}

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        y, memory = np.empty_like(x), np.empty_like(state["memory"])
        for item, cutoff in enumerate(values["cutoff"]):
            numerator, denominator = butterworth_coefficients(self._ORDER, 2 * min(cutoff / sample_rate, _HIGHEST))
            y[item], memory[item] = signal.lfilter(numerator, denominator, x[item], zi=state["memory"][item])
        return y, {"memory": memory}
