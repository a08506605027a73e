"""Values that are computed from weights and kept as long as the weights stay."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from torch import Tensor

__all__ = ["Derived"]

T = TypeVar("T")


class Derived(Generic[T]):
    """A value computed from weights, and computed again when they have changed.

    torch counts the changes of a tensor, but not those through ``.data``, which go unseen, and not those of tensors
    made in inference mode, from which the value is computed every time.
    """

    def __init__(self) -> None:
        self._key: list[tuple[int, int]] | None = None
        self._value: T | None = None

    def __reduce__(self) -> tuple[type["Derived[T]"], tuple[()]]:
        """A copy of a model, or a pickled one, computes its own value."""
        return type(self), ()

    def get(self, weights: Iterable[Tensor], compute: Callable[[], T]) -> T:
        """Return the value; ``compute`` makes it of ``weights``."""
        weights = list(weights)
        counted = not any(weight.is_inference() for weight in weights)
        key = [(weight.data_ptr(), weight._version) for weight in weights] if counted else None
        if self._value is None or key is None or key != self._key:
            self._value, self._key = compute(), key
        return self._value

    @property
    def latest(self) -> T | None:
        """What ``get`` returned last, whether the weights have changed or not."""
        return self._value
