"""Layouts of packed memory: where the numbers lie that compiled loops read, said once for writers and readers.

A *record* is a row of vectors side by side: a ``NamedTuple`` of offsets, which numba takes for constants. A
:class:`Layout` places whole arrays, its *pieces*, in a few flat ones. What packs writes through both, and what reads
takes its offsets from them; neither counts for itself.
"""

import contextlib
import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numpy as np

__all__ = ["Layout", "LayoutBuilder", "Piece", "filled", "join", "side_by_side", "table"]

_LARGE_PAGE = 1 << 21

Record = TypeVar("Record", bound=NamedTuple)


def filled(size: int, lanes: int) -> int:
    """Return ``size`` rounded up to whole vectors of ``lanes`` numbers."""
    return -(-size // lanes) * lanes


def side_by_side(record: type[Record], lanes: int) -> Record:
    """Return the offsets of vectors that lie one after the other.

    Args:
        record: a ``NamedTuple`` class with a field for each vector, and ``size``, that of all together, as the last.
        lanes: numbers in a vector.
    """
    return record._make(lanes * place for place in range(len(record._fields)))


def join(record: Any, **vectors: np.ndarray) -> np.ndarray:
    """Return rows (..., size) that hold vectors (..., lanes) where a record has them, and zeros elsewhere."""
    first = next(iter(vectors.values()))
    rows = np.zeros((*first.shape[:-1], record.size), first.dtype)
    for name, values in vectors.items():
        start = getattr(record, name)
        rows[..., start : start + values.shape[-1]] = values
    return rows


def table(kind: type[NamedTuple], rows: list[Any]) -> np.recarray:
    """Return rows of a ``NamedTuple`` class as columns: float64 for fields that are floats, int64 for all others."""
    types = [(name, np.float64 if kind.__annotations__[name] is float else np.int64) for name in kind._fields]
    return np.array(rows, types).view(np.recarray)


@dataclass(frozen=True)
class Piece:
    """A part of a flat array.

    Attributes:
        array: name of the flat array.
        start: index of its first number there.
        shape: its sizes.
    """

    array: str
    start: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        """Index behind its last number."""
        return self.start + math.prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """Flat arrays and what lies in them.

    Attributes:
        types: type of each flat array.
        sizes: numbers in each.
        alignment: each piece starts at a multiple of so many numbers; what lies between two pieces is zero.
        pieces: by name.
    """

    types: Mapping[str, np.dtype]
    sizes: Mapping[str, int]
    alignment: int
    pieces: Mapping[str, Piece]

    def allocate(self) -> dict[str, np.ndarray]:
        """Return the flat arrays, all zero, in one stretch of memory with large pages where the system has them.

        Small pages lie anywhere in physical memory, and those that fall on the same sets of a cache displace each
        other.
        """
        lengths = {name: size * self.types[name].itemsize for name, size in self.sizes.items()}
        buffer = mmap.mmap(-1, sum(lengths.values()) + 2 * _LARGE_PAGE)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            # A wish, not a need: systems without large pages refuse it.
            with contextlib.suppress(OSError):
                buffer.madvise(mmap.MADV_HUGEPAGE)
        whole = np.frombuffer(buffer, np.uint8)
        start = -whole.ctypes.data % _LARGE_PAGE
        arrays = {}
        for name, length in lengths.items():
            arrays[name] = whole[start : start + length].view(self.types[name])
            start += length
        return arrays

    def view(self, arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        """Return the piece ``name`` of flat arrays, in its shape; writing to it writes to them."""
        piece = self.pieces[name]
        return arrays[piece.array][piece.start : piece.stop].reshape(piece.shape)


class LayoutBuilder:
    """A layout that grows piece by piece, in the order in which the pieces are read.

    Args:
        types: type of each flat array, by its name.
        alignment: see :class:`Layout`.
    """

    def __init__(self, types: Mapping[str, type], alignment: int) -> None:
        self._types = {name: np.dtype(kind) for name, kind in types.items()}
        self._sizes = dict.fromkeys(types, 0)
        self._alignment = alignment
        self._pieces: dict[str, Piece] = {}

    def place(self, array: str, name: str, *shape: int) -> int:
        """Add a piece behind all others of a flat array, and return where it starts.

        Raises:
            ValueError: if there is a piece of that name.
        """
        if name in self._pieces:
            raise ValueError(f"a second piece '{name}'; expected another name")
        piece = Piece(array, self._sizes[array], shape)
        self._pieces[name] = piece
        self._sizes[array] = filled(piece.stop, self._alignment)
        return piece.start

    def finish(self) -> Layout:
        """Return the layout."""
        types, sizes = MappingProxyType(dict(self._types)), MappingProxyType(dict(self._sizes))
        return Layout(types, sizes, self._alignment, MappingProxyType(dict(self._pieces)))
