"""What the convolutions of a stream remember: their last inputs, or a constant that has always been."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

__all__ = ["ConstantPast", "Past", "StoredPast", "context_of"]


def context_of(convolution: nn.Conv1d) -> int:
    """Return the number of past samples that a causal convolution reads."""
    (taps,), (dilation,) = convolution.kernel_size, convolution.dilation
    return (taps - 1) * dilation


class Past(Protocol):
    """The samples before those that are computed, for each convolution by its name."""

    def extend(self, name: str, x: Tensor, context: int) -> Tensor:
        """Return x (B, C, T) after the last ``context`` samples of the same signal, (B, C, context + T)."""
        ...


class StoredPast:
    """Inputs that a state contains; ``latest`` becomes the state after the samples.

    Args:
        state: inputs (B, C, context) by name.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state = state
        self.latest: dict[str, Tensor] = {}

    def extend(self, name: str, x: Tensor, context: int) -> Tensor:
        """Implement :meth:`Past.extend`."""
        known = torch.cat([self._state[name], x], dim=-1)
        self.latest[name] = known[..., known.shape[-1] - context :]
        return known


class ConstantPast:
    """Inputs that have always been what they are now; ``latest`` becomes the state of a network in rest."""

    def __init__(self) -> None:
        self.latest: dict[str, Tensor] = {}

    def extend(self, name: str, x: Tensor, context: int) -> Tensor:
        """Implement :meth:`Past.extend` for one sample."""
        self.latest[name] = x.expand(-1, -1, context)
        return x.expand(-1, -1, context + 1)
