"""Recursions with gradients, exact and sample by sample, where convolutions would only approximate.

Forward and backward pass are compiled loops in float64 on the CPU, so that a stream gives the same bits for any
division into blocks. Parameters are constant, (B, 1), or vary over time, (B, T). The backward pass is the adjoint
recursion, which runs backwards in time.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["LN_9", "ballistics", "two_poles"]

LN_9 = math.log(9.0)


def ballistics(gain_db: Tensor, fall: Tensor, rise: Tensor, last: Tensor) -> Tensor:
    """Smooth a gain, with separate coefficients for falling and rising gain.

    ``s[n] = (1 - a) g[n] + a s[n - 1]``, with a = ``fall`` where g[n] < s[n - 1], else ``rise``.

    Args:
        gain_db: g, (B, C, T).
        fall: coefficients (B, 1) or (B, T), 0 .. 1.
        rise: as ``fall``.
        last: s[-1], (B, C).

    Returns:
        s, (B, C, T) in float64; its last sample is the next ``last``.
    """
    return _Ballistics.apply(gain_db, fall, rise, last)


def two_poles(x: Tensor, a1: Tensor, a2: Tensor, last: Tensor) -> Tensor:
    """Return ``y[n] = x[n] - a1 y[n - 1] - a2 y[n - 2]``.

    Args:
        x: (B, C, T).
        a1: (B, 1) or (B, T).
        a2: as ``a1``.
        last: y[-1] and y[-2], (B, C, 2).

    Returns:
        y, (B, C, T) in float64.
    """
    return _TwoPoles.apply(x, a1, a2, last)


# torch's stub of ``once_differentiable`` makes a function that may not override ``backward``.
class _Ballistics(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gain_db: Tensor, fall: Tensor, rise: Tensor, last: Tensor) -> Tensor:
        from effects.models.recursion_loops import smooth as loop

        arrays = [_array(tensor) for tensor in (gain_db, fall, rise, last)]
        smooth = loop(*arrays)
        ctx.arrays, ctx.smooth, ctx.likes = arrays, smooth, (gain_db, fall, rise, last)
        return torch.from_numpy(smooth).to(gain_db.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        from effects.models.recursion_loops import smooth_backward

        return _as(ctx.likes, smooth_backward(_array(gradient), *ctx.arrays, ctx.smooth))


class _TwoPoles(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, a1: Tensor, a2: Tensor, last: Tensor) -> Tensor:
        from effects.models.recursion_loops import recur

        arrays = [_array(tensor) for tensor in (x, a1, a2, last)]
        y = recur(*arrays)
        ctx.arrays, ctx.y, ctx.likes = arrays, y, (x, a1, a2, last)
        return torch.from_numpy(y).to(x.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        from effects.models.recursion_loops import recur_backward

        _, a1, a2, last = ctx.arrays
        return _as(ctx.likes, recur_backward(_array(gradient), a1, a2, last, ctx.y))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float64).contiguous().numpy()


def _as(likes: tuple[Tensor, ...], arrays: tuple[np.ndarray, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(array).to(like) for like, array in zip(likes, arrays, strict=True))
