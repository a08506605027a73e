"""Random numbers as a function of (seed, position): a counter-based generator of a few tensor operations.

Each item of a batch has a seed, and its numbers do not depend on the batch, its division over processes, or the device:
the integers are equal everywhere, and the normal numbers up to the rounding of a logarithm and a cosine in double
precision. Nothing is drawn on the host, so a GPU does not wait.

Source: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) over a Weyl sequence; Box and Muller (1958).
"""

import math

import torch
from torch import Tensor

__all__ = ["counter_normal", "counter_normal_and_uniform", "counter_uniform"]

_GOLDEN = -0x61C8864680B583EB  # 0x9E3779B97F4A7C15 as a signed number
_MULTIPLIERS = (-0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15)  # 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
# Tensors of no dimension, whose products with whole numbers are of their precision: no conversion before.
_RADIUS = torch.tensor(2.0**-32, dtype=torch.float64)
_ANGLE = torch.tensor(2.0**-31 * math.pi, dtype=torch.float64)
_FRACTION = torch.tensor(2.0**-24, dtype=torch.float32)


def counter_normal(seeds: Tensor, length: int, stream: int = 0) -> Tensor:
    """Draw standard normal numbers.

    Args:
        seeds: (B,) int64, on the device of the result.
        length: numbers for each seed; the first ones do not depend on it.
        stream: separates independent numbers of the same seed.

    Returns:
        (B, length) float32.
    """
    return _normal(_bits(seeds[:, None], torch.arange(1, length + 1, device=seeds.device), stream))


def counter_normal_and_uniform(seeds: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Draw the numbers of :func:`counter_normal` and one in [0, 1) for each seed, together: half the operations.

    Args as in :func:`counter_normal`.

    Returns:
        normal (B, 1, length), uniform (B, 1), float32; the uniform number is that of position 0, used by nothing else.
    """
    bits = _bits(seeds.view(-1, 1, 1), torch.arange(length + 1, device=seeds.device), 0)
    return _normal(bits[..., 1:]), _uniform(bits[..., 0])


def counter_uniform(seeds: Tensor, length: int = 1, stream: int = 0) -> Tensor:
    """Draw numbers in [0, 1), multiples of 2**-24; arguments as in :func:`counter_normal`; (B, length) float32."""
    return _uniform(_bits(seeds[:, None], torch.arange(1, length + 1, device=seeds.device), stream))


def _bits(seeds: Tensor, positions: Tensor, stream: int) -> Tensor:
    """Return 64 random bits for seeds (..., 1) at positions (length,): (..., length) int64."""
    start = _mix(seeds.long() + _signed(stream * 0xD1342543DE82EF95 + 1))
    return _mix(start + positions * _GOLDEN)


def _normal(bits: Tensor) -> Tensor:
    radius = torch.sqrt(-2 * torch.log((_shift(bits, 32) + 1) * _RADIUS))  # (0, 1]: no logarithm of zero
    return (radius * torch.cos((bits & 0xFFFFFFFF) * _ANGLE)).float()


def _uniform(bits: Tensor) -> Tensor:
    return _shift(bits, 40) * _FRACTION


def _mix(x: Tensor) -> Tensor:
    """Return a bijection of 64 bits in which every bit depends on all."""
    first, second = _MULTIPLIERS
    x = (x ^ _shift(x, 30)) * first
    x = (x ^ _shift(x, 27)) * second
    return x ^ _shift(x, 31)


def _shift(x: Tensor, count: int) -> Tensor:
    """Shift to the right without the sign; torch has no unsigned shift on every device."""
    return (x >> count) & ((1 << (64 - count)) - 1)


def _signed(number: int) -> int:
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number
