"""Long signals through the U-Net window by window, exactly."""

from collections.abc import Callable, Sequence

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
    call: Callable[..., Tensor] | None = None,
) -> Tensor:
    """Return the velocity of a long signal, computed window by window with context.

    The velocity at a sample depends on a bounded part of the signal and of the condition. Windows begin where rows of
    every period begin, so the result is exactly that of the whole signal.

    Args:
        estimator: the network.
        x: (B, C, T), the signal and the signals concatenated to it.
        condition: condition of each period, for the whole signal.
        t: time.
        freeu: see :class:`FreeU`.
        grid_length: number of samples after which rows of all periods begin together again.
        window: largest number of samples whose velocity is computed at once.
        call: computes the estimator from the same arguments by other code.

    Returns:
        (B, 1, T).
    """
    length, call = x.shape[-1], call or estimator
    hop = estimator.unet.length_multiple  # hop of the condition, for period 1
    halo = -(-estimator.reach // grid_length)
    window = max(window // grid_length, 1)
    if length <= (window + 2 * halo) * grid_length:
        return call(x, condition, t, freeu)
    result = x.new_empty(x.shape[0], 1, length)
    for span in chunk_spans(-(-length // grid_length), window, halo):
        start, stop = span.start * grid_length, min(span.stop * grid_length, length)
        parts = [
            item[..., start // (hop * period) : -(-stop // (hop * period))]
            for item, period in zip(condition, estimator.periods, strict=True)
        ]
        part = call(x[..., start:stop], parts, t, freeu)
        first, last = span.valid_start * grid_length, min(span.valid_stop * grid_length, length)
        result[..., first:last] = part[..., first - start : last - start]
    return result
