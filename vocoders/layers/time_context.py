"""Which frames a convolution over time sees, and what stands beyond the ends of the signal.

A layer with a :class:`TimeContext` has two forms. The one for whole signals pads the signal. The one for streams takes
the context from the frames that have passed, and returns only frames whose context is complete.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

__all__ = ["TimeContext", "share_look_ahead"]


@dataclass(frozen=True)
class TimeContext:
    """The frames around a frame on which its output depends.

    Attributes:
        before: earlier frames.
        after: later frames.
        mode: beyond the ends stand the mirrored signal (``reflect``) or zeros (``constant``).
    """

    before: int
    after: int
    mode: Literal["reflect", "constant"] = "reflect"

    @property
    def width(self) -> int:
        """Number of frames, the frame itself included."""
        return self.before + 1 + self.after

    def pad(self, x: Tensor, bins: int = 0) -> Tensor:
        """Add the context at both ends of the last axis; ``bins``: mirror so many rows at the edges of the axis before.

        Shape:
            (..., [H,] N) -> (..., [H + 2 * bins,] before + N + after).
        """
        time = (self.before, self.after)
        rows = (bins, bins)
        if x.dim() == 3 or (not bins and self.mode == "constant"):
            return F.pad(x, time, self.mode)
        if self.mode == "reflect":
            return F.pad(x, (*time, *rows), "reflect")
        return F.pad(F.pad(x, (0, 0, *rows), "reflect"), time)

    def crop(self, x: Tensor) -> Tensor:
        """Remove the context from both ends of the last axis."""
        return x[..., self.before : x.shape[-1] - self.after]


def share_look_ahead(kernels: Sequence[int], look_ahead: int | None) -> list[TimeContext]:
    """Return the context of each layer of a chain of convolutions with odd kernels.

    Args:
        kernels: widths in frames, from input to output.
        look_ahead: number of future frames on which the output of the chain depends; the first layers take as many as
            half a kernel holds. ``None``: every kernel is centred, and borders are mirrored.
    """
    if look_ahead is None:
        return [TimeContext(size // 2, size // 2) for size in kernels]
    contexts = []
    for size in kernels:
        after = min(look_ahead, size // 2)
        look_ahead -= after
        contexts.append(TimeContext(size - 1 - after, after, "constant"))
    return contexts
