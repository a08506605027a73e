"""Constants of a module, held in float64 and cast to the precision in which they are used."""

from typing import Any, Self

import torch
from torch import Tensor, nn

__all__ = ["ExactBuffers"]


class ExactBuffers(nn.Module):
    """A module whose constants follow it to any precision without loss.

    A float32 constant that is turned into float64 is exact to some 1e-8 only: here it is taken afresh. A buffer that
    was loaded with other values keeps them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._exact: dict[str, Tensor] = {}

    def register_exact(self, name: str, value: Tensor, persistent: bool = False) -> None:
        """Add a buffer.

        Args:
            name: of the buffer.
            value: float64.
            persistent: whether it is part of the state that is saved.
        """
        self._exact[name] = value
        self.register_buffer(name, value.to(torch.get_default_dtype()), persistent=persistent)

    def exact(self, name: str, like: Tensor) -> Tensor:
        """Return a buffer at the precision of ``like``, and where it is."""
        buffer = getattr(self, name)
        if buffer.dtype == like.dtype:
            return buffer
        return (self._exact[name] if self._is_exact(name, buffer) else buffer).to(like.dtype).to(like.device)

    def _is_exact(self, name: str, buffer: Tensor) -> bool:
        return torch.equal(buffer.cpu(), self._exact[name].to(buffer.dtype))

    def _apply(self, *arguments: Any, **options: Any) -> Self:
        kept = {name: getattr(self, name) for name in self._exact}
        super()._apply(*arguments, **options)
        for name, before in kept.items():
            after = getattr(self, name)
            if after.dtype != before.dtype and not before.is_meta and self._is_exact(name, before):
                setattr(self, name, self._exact[name].to(after.dtype).to(after.device))
        return self
