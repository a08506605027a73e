"""Long signals through the U-Net window by window, exactly."""

from collections.abc import Sequence

from torch import Tensor

from vocoders.core.chunking import chunk_spans
from vocoders.periodwave.estimator import Estimator
from vocoders.periodwave.unet import FreeU

__all__ = ["velocity_in_chunks"]


def velocity_in_chunks(
    estimator: Estimator,
    x: Tensor,
    condition: Sequence[Tensor],
    t: Tensor,
    freeu: FreeU,
    grid_length: int,
    window: int,
) -> Tensor:
    """Return the velocity of a long signal, of which the estimator sees one window with its context at a time.

    The velocity at a sample depends on a bounded stretch of the signal and of the condition. Windows begin where the
    rows of every period begin, so each computes the very numbers that the whole signal would give.

    Args:
        estimator: the network.
        x: (B, C, T), and what is concatenated to it.
        condition: of each period, for the whole signal.
        t: time.
        freeu: see :class:`FreeU`.
        grid_length: samples after which the rows of all periods begin anew together.
        window: longest stretch whose velocity is computed at once, in samples.

    Returns:
        (B, 1, T).
    """
    length = x.shape[-1]
    hop = estimator.unet.length_multiple  # of the condition, for period 1
    halo = -(-estimator.reach // grid_length)
    window = max(window // grid_length, 1)
    if length <= (window + 2 * halo) * grid_length:
        return estimator(x, condition, t, freeu)
    result = x.new_empty(x.shape[0], 1, length)
    for span in chunk_spans(-(-length // grid_length), window, halo):
        start, stop = span.start * grid_length, min(span.stop * grid_length, length)
        parts = [
            item[..., start // (hop * period) : -(-stop // (hop * period))]
            for item, period in zip(condition, estimator.periods, strict=True)
        ]
        part = estimator(x[..., start:stop], parts, t, freeu)
        first, last = span.valid_start * grid_length, min(span.valid_stop * grid_length, length)
        result[..., first:last] = part[..., first - start : last - start]
    return result
