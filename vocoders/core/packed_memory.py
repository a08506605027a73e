"""Layouts of packed memory: the positions of the numbers that compiled loops read, defined once for writer and reader.

A *record* is a row of consecutive vectors: a ``NamedTuple`` of offsets, which numba treats as constants. A
:class:`Layout` places whole arrays, its *pieces*, in a few flat arrays. The packing code writes through both, and the
kernels take their offsets from them; neither computes offsets itself.
"""

import contextlib
import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numpy as np

__all__ = ["Layout", "LayoutBuilder", "Piece", "aligned", "filled", "join", "side_by_side", "table"]

_LARGE_PAGE = 1 << 21
_CACHE_LINE = 64

Record = TypeVar("Record", bound=NamedTuple)


def filled(size: int, lanes: int) -> int:
    """Return ``size`` rounded up to whole vectors of ``lanes`` numbers."""
    return -(-size // lanes) * lanes


def aligned(*shape: int) -> np.ndarray:
    """Return an array of float32 that begins at a cache line, so that no vector of it lies in two lines; any values."""
    size = 4 * math.prod(shape)
    memory = np.empty(size + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    return memory[start : start + size].view(np.float32).reshape(shape)


def side_by_side(record: type[Record], lanes: int) -> Record:
    """Return the offsets of consecutive vectors.

    Args:
        record: a ``NamedTuple`` class with a field for each vector, and ``size``, the total size, as the last field.
        lanes: numbers in a vector.
    """
    return record._make(lanes * place for place in range(len(record._fields)))


def join(record: Any, **vectors: np.ndarray) -> np.ndarray:
    """Return rows (..., size) with vectors (..., lanes) at the offsets of a record, and zeros elsewhere."""
    first = next(iter(vectors.values()))
    rows = np.zeros((*first.shape[:-1], record.size), first.dtype)
    for name, values in vectors.items():
        start = getattr(record, name)
        rows[..., start : start + values.shape[-1]] = values
    return rows


def table(kind: type[NamedTuple], rows: list[Any]) -> np.recarray:
    """Return rows of a ``NamedTuple`` class as columns: float64 for float fields, int64 for all others."""
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
        """Index after its last number."""
        return self.start + math.prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """Flat arrays and their pieces.

    Attributes:
        types: type of each flat array.
        sizes: size of each flat array, in numbers.
        alignment: each piece starts at a multiple of this many numbers; the gaps are zero.
        pieces: the pieces by name.
    """

    types: Mapping[str, np.dtype]
    sizes: Mapping[str, int]
    alignment: int
    pieces: Mapping[str, Piece]

    def allocate(self) -> dict[str, np.ndarray]:
        """Return the flat arrays, all zero, in one block of memory with large pages where the system has them.

        Small pages are scattered over physical memory, and pages that map to the same cache sets evict each other.
        """
        lengths = {name: size * self.types[name].itemsize for name, size in self.sizes.items()}
        buffer = mmap.mmap(-1, sum(lengths.values()) + 2 * _LARGE_PAGE)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            # Optional: systems without large pages refuse it.
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
        """Return a view of the piece ``name`` of flat arrays, in its shape."""
        piece = self.pieces[name]
        return arrays[piece.array][piece.start : piece.stop].reshape(piece.shape)


class LayoutBuilder:
    """A layout under construction, piece by piece in the order of reading.

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
        """Append a piece to a flat array, and return its start.

        Raises:
            ValueError: if a piece of that name exists.
        """
        if name in self._pieces:
            raise ValueError(f"the name '{name}' is used twice; expected another name")
        piece = Piece(array, self._sizes[array], shape)
        self._pieces[name] = piece
        self._sizes[array] = filled(piece.stop, self._alignment)
        return piece.start

    def finish(self) -> Layout:
        """Return the layout."""
        types, sizes = MappingProxyType(dict(self._types)), MappingProxyType(dict(self._sizes))
        return Layout(types, sizes, self._alignment, MappingProxyType(dict(self._pieces)))
