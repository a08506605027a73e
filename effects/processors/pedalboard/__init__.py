"""Effects of Spotify's pedalboard as processors, for the optional extra ``pedalboard`` (GPL 3).

They are listed, with their knobs, even if pedalboard is not installed; it is imported when the first audio is
processed. It computes in float32: float64 audio is rounded at its input.
"""

from effects.processors.pedalboard.processors import PEDALBOARD

__all__ = ["PEDALBOARD"]
