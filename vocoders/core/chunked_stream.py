"""A function of a long input that comes in pieces, computed in chunks with context."""

from collections.abc import Callable

import torch
from torch import Tensor

from vocoders.core.chunking import crossfade_weights

__all__ = ["ChunkedFunction"]


class ChunkedFunction:
    """A function of long inputs, computed in chunks of equal length with context.

    The chunks do not depend on the pieces in which the input comes, so neither does the output. At both ends of the
    signal the context is cut off: there the function sees the true edge.

    Args:
        function: takes tensors of F frames and returns (..., F * hop_length).
        sizes: samples per frame of each input.
        hop_length: samples per frame of the output.
        chunk: frames of output that are computed at once.
        halo: frames of context after a chunk.
        fade: frames over which neighbouring chunks are cross-faded, where the context is not sufficient; at most
            ``halo`` and ``chunk``.
        past: frames of context before a chunk; ``None``: ``halo``.
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        sizes: tuple[int, ...],
        hop_length: int,
        chunk: int,
        halo: int,
        fade: int = 0,
        past: int | None = None,
    ) -> None:
        self.function, self.sizes, self.hop_length = function, sizes, hop_length
        self.chunk, self.halo, self.fade = chunk, halo, fade
        self.past = halo if past is None else past
        # Pieces of each input, which are joined only when a chunk is computed: pieces may be much shorter than chunks.
        self.pieces: list[tuple[Tensor, ...]] = []
        self.samples = 0
        self.context = 0  # frames at the beginning of what is held that were computed already
        self.tail: Tensor | None = None

    @property
    def delay(self) -> int:
        """Largest number of frames by which the output lags behind the input."""
        return self.chunk + self.halo - 1

    def push(self, *parts: Tensor) -> list[Tensor]:
        """Take the next frames of each input; return the output that is complete."""
        self.pieces.append(parts)
        self.samples += parts[0].shape[-1]
        outputs = []
        while self.frames >= self.context + self.chunk + self.halo:
            outputs.append(self._compute(self.chunk, self.halo))
        return outputs

    def finish(self) -> list[Tensor]:
        """Return the rest of the output."""
        rest = self.frames - self.context
        return [self._compute(rest, 0)] if rest > 0 else []

    @property
    def frames(self) -> int:
        """Number of frames that are held."""
        return self.samples // self.sizes[0]

    def _compute(self, frames: int, halo: int) -> Tensor:
        """Compute the next frames; keep the context of those after them."""
        held = tuple(torch.cat(parts, dim=-1) for parts in zip(*self.pieces, strict=True))
        stop = self.context + frames
        window = [part[..., : (stop + halo) * size] for part, size in zip(held, self.sizes, strict=True)]
        output, hop = self.function(*window), self.hop_length
        result = output[..., self.context * hop : stop * hop]
        if self.tail is not None:
            result = self._faded(result)
        self.tail = output[..., stop * hop : (stop + self.fade) * hop] if self.fade and halo else None
        kept = min(stop, self.past)
        # Copies: views would keep the whole of what was held.
        self.pieces = [
            tuple(part[..., (stop - kept) * size :].clone() for part, size in zip(held, self.sizes, strict=True))
        ]
        self.samples = self.pieces[0][0].shape[-1]
        self.context = kept
        return result

    def _faded(self, result: Tensor) -> Tensor:
        """Return the new chunk, whose beginning is blended with the end of the previous one."""
        tail = self.tail if self.tail is not None else result
        length = min(tail.shape[-1], result.shape[-1])
        weight = crossfade_weights(tail.shape[-1], result)[:length]
        begin = tail[..., :length] + weight * (result[..., :length] - tail[..., :length])
        return torch.cat([begin, result[..., length:]], dim=-1)
