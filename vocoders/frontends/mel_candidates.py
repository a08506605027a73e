"""The analyses that a search for a mel convention tries."""

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from vocoders.core.errors import OndesError
from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_convention import MelConvention

__all__ = [
    "IDEAS",
    "bare",
    "coarse_candidates",
    "neighbours",
    "padded_otherwise",
    "preset_candidates",
    "with_slaney_norm",
]

_RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
_HOPS = (80, 100, 110, 120, 128, 160, 180, 200, 220, 240, 256, 275, 276, 300, 320, 400, 441, 480, 512, 600, 640, 1024)
_TRANSFORMS = (256, 400, 512, 640, 800, 1024, 1200, 1280, 1600, 1920, 2048, 4096)
_WINDOWS = (400, 480, 512, 600, 640, 800, 882, 960, 1000, 1024, 1100, 1102, 1103, 1200, 1280, 1600, 1920, 2048, 2400)
_LOWEST = (0, 20, 30, 40, 50, 55, 60, 64, 70, 80, 85, 90, 95, 100, 125)
_PREEMPHASES = (0.0, 0.95, 0.97, 0.98)
_HIGHEST = (
    3800,
    4000,
    5500,
    7000,
    7500,
    7600,
    7800,
    8000,
    11000,
    11025,
    12000,
    15000,
    16000,
    18000,
    20000,
    22050,
    24000,
)
# The length of features and that of the audio may disagree by so many frames, and by a part of the whole.
_FRAMES_APART, _PART_APART = 2.0, 0.002
# No logarithm that a search compares is as low.
_NO_FLOOR = 1e-12


def bare(convention: MelConvention) -> MelConvention:
    """Return the analysis of a convention alone: natural logarithm, no floor, no normalisation."""
    mel = {**convention.mel.to_dict(), "log": "ln", "floor": _NO_FLOOR}
    mel |= {"win_length": convention.mel.window_length, "fmax": convention.mel.top_frequency}
    return MelConvention(mel=MelConfig.from_dict(mel), preemphasis=convention.preemphasis)


def preset_candidates(n_mels: int, frames: int, seconds: float) -> list[MelConvention]:
    """Return the different analyses of the presets that give so many bands, and frames of so much audio."""
    found = [bare(each) for each in MEL_CONVENTIONS.values() if each.mel.n_mels == n_mels]
    return list(dict.fromkeys(each for each in found if _fits(each.mel, frames, seconds)))


def coarse_candidates(n_mels: int, frames: int, seconds: float) -> Iterator[MelConvention]:
    """Return a grid of rates, hops, transforms, highest frequencies and positions of the frames."""
    for rate in _RATES:
        for hop in _HOPS:
            start: dict[str, Any] = {"sample_rate": rate, "hop_length": hop, "n_mels": n_mels, "floor": _NO_FLOOR}
            for n_fft in (512, 1024, 2048):
                for fmax in dict.fromkeys((rate / 2, 8000.0)):
                    for padding in ("center_reflect", "same_reflect"):
                        changes = {"n_fft": n_fft, "win_length": n_fft, "fmax": fmax, "padding": padding}
                        made = _made({"mel": {**start, **changes}})
                        if made is not None and _fits(made.mel, frames, seconds):
                            yield made


def neighbours(convention: MelConvention, idea: str, frames: int, seconds: float) -> list[MelConvention]:
    """Return the candidates that differ from a convention in one of the :data:`IDEAS`."""
    if idea == "preemphasis":
        return [convention.model_copy(update={"preemphasis": amount}) for amount in _PREEMPHASES]
    base = convention.to_dict()
    made = [_made({**base, "mel": {**base["mel"], **change}}) for change in _CHANGES[idea](convention.mel)]
    return [each for each in made if each is not None and _fits(each.mel, frames, seconds)]


def _highest(mel: MelConfig) -> list[dict[str, Any]]:
    top = mel.sample_rate / 2
    return [{"fmax": float(frequency)} for frequency in dict.fromkeys((*_HIGHEST, top)) if frequency <= top]


def _other_placement(mel: MelConfig) -> list[dict[str, Any]]:
    placement, kind = mel.padding.split("_")
    return [{"padding": f"{'center' if placement == 'same' else 'same'}_{kind}"}]


_WINDOWED = [{"n_fft": n, "win_length": n} for n in _TRANSFORMS] + [
    {"n_fft": n, "win_length": window} for n in (512, 1024, 2048) for window in _WINDOWS if n // 2 <= window < n
]
_CHANGES: dict[str, Callable[[MelConfig], list[dict[str, Any]]]] = {
    "window": lambda mel: _WINDOWED,
    "rate": lambda mel: [{"sample_rate": rate, "hop_length": hop} for rate in _RATES for hop in _HOPS],
    "fmax": _highest,
    "fmin": lambda mel: [{"fmin": float(frequency)} for frequency in _LOWEST],
    "filters": lambda mel: [{"scale": s, "norm": n} for s in ("slaney", "htk") for n in ("slaney", "none")],
    "power": lambda mel: [{"power": 3 - mel.power}],
    "placement": _other_placement,
    "offset": lambda mel: [{"magnitude_epsilon": amount} for amount in (0.0, 1e-9, 1e-6)],
}
IDEAS = (*_CHANGES, "preemphasis")
"""What a search changes, one at a time."""


def padded_otherwise(convention: MelConvention) -> list[MelConvention]:
    """Return a convention with reflections and with zeros beyond the ends of the audio."""
    mel, placement = convention.mel, convention.mel.padding.split("_")[0]
    mels = [mel.model_copy(update={"padding": f"{placement}_{kind}"}) for kind in ("reflect", "zero")]
    return [convention.model_copy(update={"mel": each}) for each in mels]


def at_other_rates(convention: MelConvention) -> list[MelConvention]:
    """Return the same analysis at other sample rates, where window and hop are whole numbers of samples.

    The transform has the same length in seconds, or the least power of two that is not below the window.
    """
    mel = convention.mel
    found = []
    for rate in _RATES:
        window, hop, n_fft = (n * rate / mel.sample_rate for n in (mel.window_length, mel.hop_length, mel.n_fft))
        if rate == mel.sample_rate or not (window.is_integer() and hop.is_integer()):
            continue
        lengths = [2 ** (int(window) - 1).bit_length()] + ([int(n_fft)] if n_fft.is_integer() else [])
        for length in dict.fromkeys(lengths):
            change = {"sample_rate": rate, "n_fft": length, "win_length": int(window), "hop_length": int(hop)}
            found.append(_made({**convention.to_dict(), "mel": {**mel.to_dict(), **change}}))
    return [each for each in found if each is not None]


def essence(convention: MelConvention, *, norm: bool) -> tuple[object, ...]:
    """Return what features of band-limited audio tell about an analysis, after an affine map of all bands or each.

    A rate at which all lengths are proportional gives the same frames; padding concerns the ends alone.

    Args:
        convention: an analysis.
        norm: the bands have one map, so that their norm is audible.
    """
    mel = convention.mel
    rate = mel.sample_rate
    lengths = tuple(round(length / rate, 9) for length in (mel.hop_length, mel.n_fft, mel.window_length))
    filters = (mel.fmin, mel.top_frequency, mel.scale, mel.norm if norm else "", mel.power)
    emphasis = (convention.preemphasis, rate if convention.preemphasis else 0)
    return lengths + filters + emphasis + (mel.padding.split("_")[0],)


def with_slaney_norm(convention: MelConvention) -> MelConvention:
    """Return a convention with bands divided by their widths."""
    return convention.model_copy(update={"mel": convention.mel.model_copy(update={"norm": "slaney"})})


def _made(values: dict[str, Any]) -> MelConvention | None:
    try:
        return MelConvention.from_dict(values)
    except (OndesError, ValidationError):
        return None


def _fits(mel: MelConfig, frames: int, seconds: float) -> bool:
    expected = seconds * mel.sample_rate / mel.hop_length
    return abs(expected + 0.5 - frames) <= _FRAMES_APART + _PART_APART * frames
