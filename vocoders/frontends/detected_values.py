"""What an affine fit to log-mels says about logarithm, floor and normalisation."""

import math
from typing import Any

import numpy as np

from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_convention import MeanVariance, MelConvention
from vocoders.frontends.mel_fit import AffineFit, FeatureValues

__all__ = ["conventions_of"]

# Known scales of logarithms: slope over the natural logarithm, base, multiplier.
_SCALES = (
    (1.0, "ln", 1.0),
    (1 / math.log(10), "log10", 1.0),
    (1 / math.log(2), "log2", 1.0),
    (20 / math.log(10), "log10", 20.0),
    (10 / math.log(10), "log10", 10.0),
)
# Relative error of a known slope, and what each dB of the residual adds; error of an offset in nepers.
_SLOPE_ERROR, _SLOPE_ERROR_PER_DB, _OFFSET_ERROR = 5e-4, 0.02, 0.02
# Values at a floor: so near to the lowest, in nepers, and so many of them.
_NEAR, _LEAST_SHARED = 1e-5, 4
# The usual floors; the first is where none is audible.
_FLOORS = (1e-10, 1e-12, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
_FLOOR_ERROR = 0.05


def conventions_of(
    analysis: MelConvention, fit: AffineFit, linear: bool, features: FeatureValues
) -> list[MelConvention]:
    """Return the conventions that features (n_mels, F) of a given analysis may have, bands first, one for each floor.

    Args:
        analysis: in the natural logarithm, without normalisation.
        fit: of its log-mels to the features, or if ``linear`` to their natural logarithms.
        linear: the features have no logarithm.
        features: what was fitted.
    """
    shared = _shared_floor(fit, features, linear)
    floors = _FLOORS if shared is None else (*_FLOORS, shared)
    return [_convention_of(analysis, fit, linear, features, floor) for floor in floors]


def _convention_of(
    analysis: MelConvention, fit: AffineFit, linear: bool, features: FeatureValues, floor: float
) -> MelConvention:
    values: dict[str, Any] = {"preemphasis": analysis.preemphasis}
    log = "ln"
    if linear:
        factor = math.exp(float(fit.offset[0]))
        values["linear"] = True
        if abs(factor - 1) > _OFFSET_ERROR:
            values["normalization"] = MeanVariance(mean=0.0, std=1 / factor)
    elif (scale := _known_scale(fit)) is not None:
        slope, log, multiplier = scale
        offset = float(fit.offset[0])
        tolerance = _OFFSET_ERROR * slope
        whole = round(offset) if abs(offset - round(offset)) < tolerance else offset
        reference = 0.0 if abs(offset) < tolerance else float(-whole)
        values |= {"multiplier": multiplier, "reference": reference}
    else:
        values["normalization"] = _normalization(fit, features, floor)
    mel = MelConfig.from_dict({**analysis.mel.to_dict(), "log": log, "floor": floor})
    return MelConvention(mel=mel, **values)


def _known_scale(fit: AffineFit) -> tuple[float, str, float] | None:
    if fit.per_band:
        return None
    tolerance = _SLOPE_ERROR + _SLOPE_ERROR_PER_DB * min(fit.residual_db, 1.0)
    near = [scale for scale in _SCALES if abs(fit.slope[0] / scale[0] - 1) < tolerance]
    return near[0] if near else None


def _normalization(fit: AffineFit, features: FeatureValues, floor: float) -> MeanVariance:
    """Return the normalisation by a mean and deviation that is the affine map."""
    if not fit.per_band:
        return MeanVariance(mean=-float(fit.offset[0] / fit.slope[0]), std=1 / float(fit.slope[0]))
    silent = ~features.counted.any(axis=1)
    offset = np.where(silent, np.median(features.values, axis=1) - fit.slope * math.log(floor), fit.offset)
    return MeanVariance(mean=tuple((-offset / fit.slope).tolist()), std=tuple((1 / fit.slope).tolist()))


def _shared_floor(fit: AffineFit, features: FeatureValues, linear: bool) -> float | None:
    """Return the floor of the mel, from the lowest values if frames share them; ``None`` if there is none."""
    values = np.log(np.maximum(features.values, 1e-12)) if linear else features.values
    log_mel = (values - fit.offset[:, None]) / fit.slope[:, None]
    log_mel = log_mel[features.counted.any(axis=1)]
    # With maps of each band, the floor is known as exactly as these.
    lowest = log_mel.min(axis=1 if fit.per_band else None, keepdims=True)
    shared = (log_mel <= lowest + _NEAR).sum(axis=1)
    if not fit.per_band:
        shared, lowest = shared.sum(keepdims=True), lowest.reshape(1, 1)
    at_floor = shared >= _LEAST_SHARED
    if not at_floor.any():
        return None
    level = float(np.median(np.repeat(lowest[at_floor, 0], shared[at_floor])))
    if any(abs(level - math.log(each)) < _FLOOR_ERROR for each in _FLOORS):
        return None
    # A poor fit may put the floor anywhere.
    return math.exp(min(max(level, math.log(1e-12)), math.log(1e12)))
