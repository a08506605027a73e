"""Activations of convolutional captures: names, parameters and functions, as in `.nam` files."""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from vocoders.core.config import Config

__all__ = ["FAST_TANH", "Activation", "ActivationName", "activate"]

ActivationName = Literal[
    "tanh",
    "fast_tanh",
    "hard_tanh",
    "relu",
    "leaky_relu",
    "sigmoid",
    "silu",
    "hard_swish",
    "leaky_hard_tanh",
    "softsign",
]


class Activation(Config):
    """An activation with its parameters, which are constants and not trained.

    Attributes:
        name: the function.
        slopes: ``leaky_relu``: slope below 0, one for all channels or one for each.
        bounds: ``leaky_hard_tanh``: where the straight middle part ends, below and above.
        outer_slopes: ``leaky_hard_tanh``: slopes beyond the bounds.
    """

    name: ActivationName
    slopes: tuple[float, ...] = Field(default=(0.01,), min_length=1)
    bounds: tuple[float, float] = (-1.0, 1.0)
    outer_slopes: tuple[float, float] = (0.01, 0.01)

    @model_validator(mode="after")
    def _check(self) -> "Activation":
        if not self.bounds[0] <= self.bounds[1]:
            raise ValueError(f"bounds must rise, found {list(self.bounds)}")
        return self


#: Coefficients p, q, r, s, u of the rational approximation of tanh that some players use.
FAST_TANH = (2.45550750702956, 0.893229853513558, 0.821226666969744, 2.44506634652299, 0.814642734961073)


def _fast_tanh(x: Tensor) -> Tensor:
    p, q, r, s, u = FAST_TANH
    size, square = x.abs(), x * x
    return x * (p + p * size + (q + r * size) * square) / (s + (s + square) * (x + u * x * size).abs())


_SIMPLE = {
    "tanh": torch.tanh,
    "fast_tanh": _fast_tanh,
    "hard_tanh": F.hardtanh,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "hard_swish": F.hardswish,
    "softsign": F.softsign,
}


def activate(x: Tensor, activation: Activation) -> Tensor:
    """Return f(x) for channels (B, C, T)."""
    if activation.name == "leaky_relu":
        return torch.where(x > 0, x, x * x.new_tensor(activation.slopes)[:, None])
    if activation.name == "leaky_hard_tanh":
        (low, high), (below, above) = activation.bounds, activation.outer_slopes
        return x.clamp(low, high) - below * F.relu(low - x) + above * F.relu(x - high)
    return _SIMPLE[activation.name](x)
