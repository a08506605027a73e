"""Recursions with gradients: what a network of convolutions only approximates, exactly and sample by sample.

Forward and backward are compiled loops in float64 on the CPU, so that a stream in any division into blocks gives the
same bits; parameters stand still, (B, 1), or move, (B, T). The backward pass is the adjoint recursion, which runs
backwards in time.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vocoders.core.compiling import compiled

__all__ = ["LN_9", "ballistics", "two_poles"]

LN_9 = math.log(9.0)


def ballistics(gain_db: Tensor, fall: Tensor, rise: Tensor, last: Tensor) -> Tensor:
    """Smooth a gain, with one coefficient while it falls and another while it rises.

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


class _Ballistics(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gain_db: Tensor, fall: Tensor, rise: Tensor, last: Tensor) -> Tensor:
        arrays = [_array(tensor) for tensor in (gain_db, fall, rise, last)]
        smooth = _smooth(*arrays)
        ctx.arrays, ctx.smooth, ctx.likes = arrays, smooth, (gain_db, fall, rise, last)
        return torch.from_numpy(smooth).to(gain_db.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        return _as(ctx.likes, _smooth_backward(_array(gradient), *ctx.arrays, ctx.smooth))


class _TwoPoles(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, a1: Tensor, a2: Tensor, last: Tensor) -> Tensor:
        arrays = [_array(tensor) for tensor in (x, a1, a2, last)]
        y = _recur(*arrays)
        ctx.arrays, ctx.y, ctx.likes = arrays, y, (x, a1, a2, last)
        return torch.from_numpy(y).to(x.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        _, a1, a2, last = ctx.arrays
        return _as(ctx.likes, _recur_backward(_array(gradient), a1, a2, last, ctx.y))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float64).contiguous().numpy()


def _as(likes: tuple[Tensor, ...], arrays: tuple[np.ndarray, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(array).to(like) for like, array in zip(likes, arrays, strict=True))


@compiled()
def _smooth(gain, fall, rise, last):
    batch, channels, length = gain.shape
    smooth = np.empty_like(gain)
    # Strides of parameters over time: 0 where they stand still.
    step = 1 if fall.shape[1] > 1 else 0
    for b in range(batch):
        for c in range(channels):
            s = last[b, c]
            for n in range(length):
                g = gain[b, c, n]
                a = fall[b, n * step] if g < s else rise[b, n * step]
                s = (1.0 - a) * g + a * s
                smooth[b, c, n] = s
    return smooth


@compiled()
def _smooth_backward(gradient, gain, fall, rise, last, smooth):
    batch, channels, length = gain.shape
    to_gain, to_fall, to_rise = np.empty_like(gain), np.zeros_like(fall), np.zeros_like(rise)
    to_last = np.zeros_like(last)
    step = 1 if fall.shape[1] > 1 else 0
    for b in range(batch):
        for c in range(channels):
            carried = 0.0
            for n in range(length - 1, -1, -1):
                before = smooth[b, c, n - 1] if n else last[b, c]
                falls = gain[b, c, n] < before
                a = fall[b, n * step] if falls else rise[b, n * step]
                total = gradient[b, c, n] + carried
                to_gain[b, c, n] = (1.0 - a) * total
                if falls:
                    to_fall[b, n * step] += total * (before - gain[b, c, n])
                else:
                    to_rise[b, n * step] += total * (before - gain[b, c, n])
                carried = a * total
            to_last[b, c] = carried
    return to_gain, to_fall, to_rise, to_last


@compiled()
def _recur(x, a1, a2, last):
    batch, channels, length = x.shape
    y = np.empty_like(x)
    step = 1 if a1.shape[1] > 1 else 0
    for b in range(batch):
        for c in range(channels):
            one, two = last[b, c, 0], last[b, c, 1]
            for n in range(length):
                now = x[b, c, n] - a1[b, n * step] * one - a2[b, n * step] * two
                y[b, c, n] = now
                two, one = one, now
    return y


@compiled()
def _recur_backward(gradient, a1, a2, last, y):
    batch, channels, length = y.shape
    to_x, to_a1, to_a2, to_last = np.empty_like(y), np.zeros_like(a1), np.zeros_like(a2), np.zeros_like(last)
    step = 1 if a1.shape[1] > 1 else 0
    for b in range(batch):
        for c in range(channels):
            # What the samples behind n owe to y[n], and to y[n - 1].
            owed, owed_before = 0.0, 0.0
            for n in range(length - 1, -1, -1):
                one = y[b, c, n - 1] if n > 0 else last[b, c, 0]
                two = y[b, c, n - 2] if n > 1 else last[b, c, 1 - n]
                total = gradient[b, c, n] + owed
                to_x[b, c, n] = total
                to_a1[b, n * step] -= total * one
                to_a2[b, n * step] -= total * two
                owed = owed_before - a1[b, n * step] * total
                owed_before = -a2[b, n * step] * total
            to_last[b, c, 0], to_last[b, c, 1] = owed, owed_before
    return to_x, to_a1, to_a2, to_last
