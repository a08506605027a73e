"""What an error-to-signal ratio of a capture means, in words."""

__all__ = ["read_esr"]

_READINGS = (
    (0.01, "great: hard to tell from the device"),
    (0.035, "good"),
    (0.1, "perhaps usable; train longer or take a larger network"),
    (0.3, "poor; listen for noise, an echo or a modulation in the recording"),
)


def read_esr(value: float) -> str:
    """Return the reading of an error-to-signal ratio that players of captures use."""
    return next(
        (words for limit, words in _READINGS if value < limit),
        "something is wrong: the recording, or far too little training",
    )
