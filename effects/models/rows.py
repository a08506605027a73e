"""Rows of channels: how wide states keep them, so that compiled streams read whole vectors."""

from vocoders.core.packed_memory import filled

__all__ = ["LANES", "padded_channels"]

#: Rows hold multiples of this many channels; what fills them up is zero.
LANES = 16


def padded_channels(channels: int) -> int:
    """Return the width of rows of ``channels`` channels."""
    return filled(channels, LANES)
