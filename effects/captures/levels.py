"""Levels at which players play a capture: as it is, equally loud, or as loud as the device was."""

from effects.captures.info import CaptureInfo
from effects.levels import Levels
from vocoders.core.errors import ConfigError

__all__ = ["Levels", "player_levels"]

# Loudness to which players normalise, in dB of full scale.
_NORMAL = -18.0


def player_levels(info: CaptureInfo, normalize: bool = False, calibrate: float | None = None) -> Levels:
    """Return the gains of a player; without options there are none.

    Args:
        info: description of the capture.
        normalize: make all captures equally loud, by their stored loudness.
        calibrate: level in dBu of a sine of full scale at the user's interface. The capture's input gets the level that
            its device had; so does the output, unless it is normalised.

    Raises:
        ConfigError: if the capture does not tell what is needed.
    """
    before = after = 0.0
    if calibrate is not None:
        if info.input_level_dbu is None and info.output_level_dbu is None:
            raise ConfigError("the capture tells no level in dBu, so it cannot be calibrated; play it without")
        before = calibrate - info.input_level_dbu if info.input_level_dbu is not None else 0.0
        after = info.output_level_dbu - calibrate if info.output_level_dbu is not None else 0.0
    if normalize:
        if info.loudness is None:
            raise ConfigError("the capture tells no loudness, so it cannot be normalised; play it without")
        after = _NORMAL - info.loudness
    return Levels(before, after)
