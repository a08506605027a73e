"""A list of modules of one class."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, Self, TypeVar, overload

from torch import nn

__all__ = ["TypedModuleList"]

Item = TypeVar("Item", bound=nn.Module)


class TypedModuleList(nn.ModuleList, Generic[Item]):
    """A :class:`torch.nn.ModuleList` of which a type checker knows what it holds."""

    if TYPE_CHECKING:

        def __init__(self, modules: Iterable[Item]) -> None: ...

        def __iter__(self) -> Iterator[Item]: ...

        @overload
        def __getitem__(self, idx: slice) -> Self: ...

        @overload
        def __getitem__(self, idx: int) -> Item: ...

        def __getitem__(self, idx: int | slice) -> Item | Self: ...
