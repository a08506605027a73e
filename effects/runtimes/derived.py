"""Values that are computed from weights and cached until the weights change."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from torch import Tensor

__all__ = ["Derived"]

T = TypeVar("T")


class Derived(Generic[T]):
    """A value computed from weights, and recomputed when they change.

    torch counts the changes of a tensor, except those through ``.data``, which are missed, and those of tensors made in
    inference mode, for which the value is recomputed every time.
    """

    def __init__(self) -> None:
        self._key: list[tuple[int, int]] | None = None
        self._value: T | None = None

    def __reduce__(self) -> tuple[type["Derived[T]"], tuple[()]]:
        """Copy and pickle without the value, which a copied model recomputes."""
        return type(self), ()

    def get(self, weights: Iterable[Tensor], compute: Callable[[], T]) -> T:
        """Return the value, which ``compute`` makes from ``weights``."""
        weights = list(weights)
        counted = not any(weight.is_inference() for weight in weights)
        key = [(weight.data_ptr(), weight._version) for weight in weights] if counted else None
        if self._value is None or key is None or key != self._key:
            self._value, self._key = compute(), key
        return self._value

    @property
    def latest(self) -> T | None:
        """Return the last result of ``get``, even if the weights have changed."""
        return self._value
