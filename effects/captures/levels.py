"""Levels at which players play a capture: as it is, equally loud, or as loud as the device was."""

import logging

from effects.captures.info import CaptureInfo
from effects.levels import Levels

__all__ = ["Levels", "player_levels"]

_logger = logging.getLogger(__name__)

# Loudness to which players normalise, in dB of full scale.
_NORMAL = -18.0


def player_levels(info: CaptureInfo, normalize: bool = False, calibrate: float | None = None) -> Levels:
    """Return the gains of a player; without options there are none.

    Args:
        info: description of the capture.
        normalize: make all captures equally loud, by their stored loudness.
        calibrate: level in dBu of a sine of full scale at the user's interface. The capture's input gets the level that
            its device had; so does the output, unless it is normalised.

    What a capture does not tell changes nothing, as in players, with a warning.
    """
    before = after = 0.0
    if calibrate is not None:
        if info.input_level_dbu is not None:
            before = calibrate - info.input_level_dbu
        if info.output_level_dbu is not None:
            after = info.output_level_dbu - calibrate
        if info.input_level_dbu is None and info.output_level_dbu is None:
            _logger.warning("the capture tells no level in dBu; it is played without calibration")
    if normalize and info.loudness is not None:
        after = _NORMAL - info.loudness
    elif normalize:
        _logger.warning("the capture tells no loudness; it is not normalised")
    return Levels(before, after)
