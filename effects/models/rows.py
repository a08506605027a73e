"""Width of rows of channels in states, padded so that compiled streams read whole vectors."""

from vocoders.core.packed_memory import filled

__all__ = ["LANES", "padded_channels"]

#: Rows have multiples of this many channels; the padding is zero.
LANES = 16


def padded_channels(channels: int) -> int:
    """Return the padded width of rows of ``channels`` channels."""
    return filled(channels, LANES)
