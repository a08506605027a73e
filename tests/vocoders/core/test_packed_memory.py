"""Packed memory: pieces lie apart and aligned, records are written where readers look."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocoders.core.packed_memory import LayoutBuilder, Piece, join, side_by_side, table


class Pair(NamedTuple):
    left: int
    right: int
    size: int


class Row(NamedTuple):
    place: int
    share: float
    is_last: int = 0


@given(
    st.lists(st.tuples(st.sampled_from(["floats", "shorts"]), st.integers(0, 5), st.integers(1, 90)), max_size=12),
    st.sampled_from([1, 16, 64]),
)
def test_pieces_are_aligned_and_keep_what_is_written_to_them(pieces: list, alignment: int) -> None:
    builder = LayoutBuilder({"floats": np.float32, "shorts": np.int16}, alignment)
    starts = [builder.place(array, str(n), *shape) for n, (array, *shape) in enumerate(pieces)]
    layout = builder.finish()
    arrays = layout.allocate()
    assert {name: (array.dtype, array.size) for name, array in arrays.items()} == {
        name: (layout.types[name], layout.sizes[name]) for name in ("floats", "shorts")
    }
    assert all(not array.any() for array in arrays.values())
    for n in range(len(pieces)):
        layout.view(arrays, str(n))[...] = n + 1
    for n, (array, *shape) in enumerate(pieces):
        assert layout.pieces[str(n)] == Piece(array, starts[n], tuple(shape))
        assert starts[n] % alignment == 0
        assert (arrays[array][starts[n] : layout.pieces[str(n)].stop] == n + 1).all()
    filled = sum(shape[0] * shape[1] for _, *shape in pieces)
    assert sum(np.count_nonzero(array) for array in arrays.values()) == filled


def test_a_layout_cannot_be_changed() -> None:
    builder = LayoutBuilder({"floats": np.float32}, 16)
    builder.place("floats", "first", 3)
    layout = builder.finish()
    builder.place("floats", "second", 3)
    assert list(layout.pieces) == ["first"]
    with pytest.raises(TypeError):
        layout.pieces["third"] = layout.pieces["first"]
    with pytest.raises(ValueError, match="first"):
        builder.place("floats", "first", 3)


def test_records_hold_vectors_where_their_offsets_say() -> None:
    pair = side_by_side(Pair, 4)
    assert pair == (0, 4, 8)
    left, right = np.arange(12.0).reshape(3, 4), -np.arange(12.0).reshape(3, 4)
    rows = join(pair, right=right, left=left)
    assert rows.shape == (3, pair.size)
    assert np.array_equal(rows[:, pair.left : pair.left + 4], left)
    assert np.array_equal(rows[:, pair.right : pair.right + 4], right)
    assert np.array_equal(join(pair, right=right)[:, : pair.right], np.zeros((3, 4)))


def test_tables_have_a_column_for_each_field() -> None:
    rows = table(Row, [Row(3, 0.5), Row(7, 0.25, True)])
    assert rows.place.tolist() == [3, 7]
    assert rows.share.tolist() == [0.5, 0.25]
    assert rows.is_last.tolist() == [0, 1]
    assert rows.dtype["place"] == np.int64
    assert rows.dtype["share"] == np.float64
