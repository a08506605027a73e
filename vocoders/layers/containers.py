"""Containers of modules of one class: torch's own, with that class known to type checkers.

At run time they are the classes of torch, which take no parameter: annotations of arguments stand in quotes.
"""

from collections.abc import Iterable, Iterator, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from torch import nn

__all__ = ["ModuleDictOf", "ModuleListOf", "SequentialOf"]

Member = TypeVar("Member", bound=nn.Module)

if TYPE_CHECKING:

    class ModuleListOf(nn.ModuleList, Generic[Member]):
        """A list of modules."""

        def __init__(self, modules: Iterable[Member]) -> None: ...
        def __iter__(self) -> Iterator[Member]: ...
        @overload
        def __getitem__(self, idx: slice) -> "ModuleListOf[Member]": ...
        @overload
        def __getitem__(self, idx: int) -> Member: ...
        def __getitem__(self, idx: int | slice) -> Any: ...

    class SequentialOf(nn.Sequential, Generic[Member]):
        """Modules that act one after the other."""

        def __init__(self, *modules: Member) -> None: ...
        def __iter__(self) -> Iterator[Member]: ...

    class ModuleDictOf(nn.ModuleDict, Generic[Member]):
        """Modules by name."""

        def __init__(self, modules: Mapping[str, Member]) -> None: ...
        def __getitem__(self, key: str) -> Member: ...
        def values(self) -> ValuesView[Member]:
            """Return the modules."""
            ...

else:
    ModuleListOf, SequentialOf, ModuleDictOf = nn.ModuleList, nn.Sequential, nn.ModuleDict
