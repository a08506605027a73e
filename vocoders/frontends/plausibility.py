"""Whether the numbers of features can be what they are said to be, and what they look like otherwise.

A vocoder turns any numbers into audio. Decibels, z-scores or the mel of another program give noise and no error, so
the values are compared with what the mel of audio can be: not below its floor, not above the mel of full scale, and
with the spread of real sounds.
"""

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from vocoders.core.errors import DataError
from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.frontends.mel import LogMel, MelConfig
from vocoders.frontends.mel_convention import MelConvention, MinMax

__all__ = ["check_plausible", "check_possible", "describe_values", "fitting_conventions"]

_LN10 = math.log(10)
_PER_LOG = {"ln": 1.0, "log10": _LN10, "log2": math.log(2)}
# Tolerances in nepers: below the floor, and above a sinusoid of full scale. The mean of speech and music with a peak of
# full scale is at least 5 nepers below it.
_BELOW, _ABOVE, _LOUDEST_MEAN = 0.5, 2.0, 3.5
# Deviation over time of the log-magnitudes of sounds, in nepers, averaged over bands; and the range that counts below
# the highest of them.
_LEAST_SPREAD, _LARGEST_SPREAD, _RANGE = 1.25, 3.4, 14.0
# Below this it is that of decimal logarithms; up to the least, it may be.
_DECIMAL_SPREAD = 1.0
# The softest band of a sound that is not stationary is at least so far below a sinusoid of full scale.
_LEAST_RANGE, _STATIONARY = 8.0, 0.5
_FEW_FRAMES = 20
# Predictions may be poor; so far outside of the range of a mel, in nepers, they are none. In a linear mel the softest
# value is near 0, to this share of the loudest; the logarithms of soft sounds are far below.
_IMPOSSIBLE, _SOFTEST = 6.0, 0.05
_SUGGESTED = 4
_Z_SCORES = "z-scores (normalised by mean and deviation)"
# Features that are scaled to a range fill so much of it.
_USED_RANGE = 0.4


def check_plausible(features: Any, convention: MelConvention, source: str, *, either_axis: bool = False) -> None:
    """Raise an error if features cannot be what a convention says.

    Args:
        features: array or tensor with two axes.
        convention: what they are said to be.
        source: name of the features for the message, such as a file.
        either_axis: accept transposed features.

    Raises:
        DataError: in one line: what the values look like, what was expected, and which conventions would fit.
    """
    values = torch.as_tensor(features)
    mel = convention.mel
    if mel.n_mels not in values.shape:
        names = [name for name, preset in MEL_CONVENTIONS.items() if preset.mel.n_mels in values.shape]
        fits = f"; --mel {_listed(fitting_conventions(torch.nan_to_num(values)) or names)} would fit" if names else ""
        if values.shape == (2, mel.n_mels + 1):
            fits = "; these look like statistics of Kaldi, which --mel-statistics takes"
        raise DataError(f"{source}: features {tuple(values.shape)} have no axis of {mel.n_mels} bands{fits}")
    if not either_axis and values.shape[0 if convention.layout == "bands_first" else 1] != mel.n_mels:
        order = "(bands, frames)" if convention.layout == "bands_first" else "(frames, bands)"
        raise DataError(
            f"{source}: features {tuple(values.shape)} are transposed; expected {order}; transpose them, or "
            "describe them in a YAML file for --mel, which takes any order"
        )
    values = convention.bands_first(values).float()
    bad = ~torch.isfinite(values)
    if bad.any():
        frame = int(bad.any(dim=0).nonzero()[0])
        raise DataError(f"{source}: NaN or infinite features from frame {frame} on ({int(bad.sum())} values)")
    problem = _problem(values, convention)
    if problem:
        hint = _suggest(values, convention)
        raise DataError(f"{source}: {problem}; the values look like {describe_values(values)}{hint}")


def check_possible(values: Tensor, mel: MelConfig, source: str) -> None:
    """Raise an error if finite values (n_mels, F) cannot even be a poor prediction of the log-mel of a recording.

    Raises:
        DataError: in one line: what was found and what was expected.
    """
    unit = _PER_LOG[mel.log]
    floor, ceiling = math.log(mel.floor) / unit, _full_scale(mel) / unit  # pyright: ignore[reportArgumentType]  (frozen: hashable)
    low, high = float(values.min()), float(values.max())
    is_linear = abs(low) <= _SOFTEST * high and floor < -1 and values.shape[-1] >= _FEW_FRAMES
    if low < floor - _IMPOSSIBLE / unit or high > ceiling + _IMPOSSIBLE / unit or is_linear:
        raise DataError(
            f"{source}: the values look like {describe_values(values)}; expected log-mels ({mel.log}) from about "
            f"{floor:.3g} to {ceiling:.3g}; predict them again, or convert them"
        )


def fitting_conventions(features: Any) -> list[str]:
    """Return the presets whose shape and values features could have, without an analysis of their content."""
    values = torch.as_tensor(features).float()
    low, high, names = float(values.min()), float(values.max()), []
    for name, convention in MEL_CONVENTIONS.items():
        if convention.mel.n_mels not in values.shape or _problem(convention.bands_first(values), convention):
            continue
        scaling = convention.normalization
        if isinstance(scaling, MinMax):
            is_used = high - low > _USED_RANGE * (scaling.high - scaling.low)
        else:
            is_used = low < 0 or convention.linear
        if is_used:
            names.append(name)
    return names


def describe_values(values: Tensor) -> str:
    """Describe finite values in a few words: their range, and the scale that they resemble."""
    low, high, mean = float(values.min()), float(values.max()), float(values.mean())
    deviation = float(values.std()) if values.numel() > 1 else 0.0
    if low == high:
        kind = "one value everywhere"
    elif low >= 0:
        kind = "a range of 0 to 1" if high <= 1.001 else "a mel without logarithm"
    elif high - low > 40:
        kind = "decibels"
    elif abs(mean) < 0.02 and abs(deviation - 1) < 0.02:
        kind = _Z_SCORES
    elif abs(low + high) < 0.5 and abs(abs(high) - round(abs(high))) < 0.02 and deviation > 0.3 * high:
        kind = f"a symmetric range of {round(low)} to {round(high)}"
    elif abs(mean) < 0.8 and 0.4 < deviation < 1.6:
        kind = _Z_SCORES
    elif _spread(values) < _LEAST_SPREAD and low > -10.5:
        kind = "decimal logarithms" if _spread(values) < _DECIMAL_SPREAD else "natural or decimal logarithms"
    else:
        kind = "natural logarithms"
    return f"{kind} ({low:.4g} to {high:.4g}, mean {mean:.3g})"


def _suggest(values: Tensor, convention: MelConvention) -> str:
    if describe_values(values).startswith("z-scores"):
        return "; pass --mel NAME --mel-statistics FILE, or find both: ondes mel detect FEATURES --audio CLIP"
    same_mel = [text for text, change in _SCALES.items() if _fits(values, _changed(convention, change))]
    names = fitting_conventions(values)
    if same_mel and convention.normalization is None:
        other = f", or --mel {_listed(names)}" if names else ""
        scales = " or ".join(same_mel)
        return f"; as {scales} of this mel they would fit, in a YAML file for --mel (ondes mel show){other}"
    if names:
        return f"; --mel {_listed(names)} would fit"
    return "; no preset fits; 'ondes mel detect' finds what they are, or describe them in a YAML file for --mel"


# Other scales of the same mel, as keys of a convention.
_SCALES: dict[str, dict[str, Any]] = {
    "decibels (log: log10, multiplier: 20)": {"log": "log10", "multiplier": 20.0},
    "values without logarithm (linear: true)": {"linear": True},
    "logarithms of the power (multiplier: 2)": {"multiplier": 2.0},
    "logarithms to the base 2 (log: log2)": {"log": "log2"},
    "decimal logarithms (log: log10)": {"log": "log10"},
}


def _changed(convention: MelConvention, change: dict[str, Any]) -> MelConvention:
    mel = convention.mel.model_copy(update={"log": change.get("log", "ln")})
    rest = {key: value for key, value in change.items() if key != "log"}
    return MelConvention(mel=mel, layout=convention.layout, preemphasis=convention.preemphasis, **rest)


def _fits(values: Tensor, convention: MelConvention) -> bool:
    """Return whether values can be of a convention, and are of the kind that it has."""
    kind = describe_values(values)
    if _problem(values, convention) or "range" in kind:
        return False
    if convention.linear or convention.multiplier > 9:
        return kind.startswith("a mel without" if convention.linear else "decibels")
    return ("decimal" in kind) == (convention.mel.log == "log10")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SUGGESTED]) + (" ..." if len(names) > _SUGGESTED else "")


def _problem(values: Tensor, convention: MelConvention) -> str:
    """Return why finite values (n_mels, F) cannot be features of a convention; empty if they can."""
    scaling = convention.normalization
    if isinstance(scaling, MinMax) and scaling.clip:
        low, high = float(values.min()), float(values.max())
        if low < scaling.low - 1e-3 or high > scaling.high + 1e-3:
            return f"values from {low:.4g} to {high:.4g} are outside of {scaling.low:g} to {scaling.high:g}"
    if convention.linear and convention.normalization is None and values.min() < 0:
        return "values below 0 are no linear mel"
    mel = convention.mel
    unit = _PER_LOG[mel.log]
    floor, ceiling = math.log(mel.floor), _full_scale(mel)  # pyright: ignore[reportArgumentType]  (frozen: hashable)
    log_mel = convention.undo(values) * unit
    low, high, mean = float(log_mel.min()), float(log_mel.max()), float(log_mel.mean())
    found = f"log-mels from {low / unit:.4g} to {high / unit:.4g}"
    if low < floor - _BELOW or high > ceiling + _ABOVE:
        return f"{found}; expected {floor / unit:.4g} to {ceiling / unit:.4g}"
    if mean > ceiling - _LOUDEST_MEAN:
        return f"{found} with a mean of {mean / unit:.3g}, which is louder than any sound"
    return _wrong_spread(log_mel / mel.power, floor / mel.power, ceiling / mel.power, found)


def _wrong_spread(log_magnitude: Tensor, floor: float, ceiling: float, found: str) -> str:
    """Return a problem if values vary so little or so much that another logarithm is likely."""
    if log_magnitude.shape[-1] < _FEW_FRAMES:
        return ""
    low = float(log_magnitude.min())
    spread = _spread(log_magnitude.clamp(min=float(log_magnitude.max()) - _RANGE))
    if low > ceiling - _LEAST_RANGE and spread > _STATIONARY:
        return f"{found} have no soft parts"
    compressed = spread < _LEAST_SPREAD and spread * _LN10 > _LEAST_SPREAD and low >= floor / _LN10 - 0.5
    if compressed and float(log_magnitude.max() - low) < 6.5:
        return f"{found} vary little for a logarithm of this base"
    return f"{found} vary much for magnitudes" if spread > _LARGEST_SPREAD else ""


def _spread(values: Tensor) -> float:
    """Return the deviation over time, averaged over bands."""
    return float(values.std(dim=-1).mean()) if values.shape[-1] > 1 else 0.0


@lru_cache(maxsize=64)
def _full_scale(mel: MelConfig) -> float:
    """Return the natural logarithm of the largest mel of a sinusoid of full scale."""
    # Its spectrum is the transform of the window: three bins, with their sum as large as that of the window.
    weights = LogMel(mel).basis.max()
    return mel.power * math.log(mel.window_length / 4) + math.log(float(weights) * 2)
