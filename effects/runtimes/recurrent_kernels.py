"""Compiled LSTM and GRU cells on a CPU: one loop over the samples of a block.

Cells of a few dozen units are too small for a library's matrix products, whose overhead exceeds their work. Here the
four sums of 16 units are one vector, so a sample takes a few vector instructions for each input and unit, and the
weights of a small layer stay in the first-level cache. Samples are processed one by one, so blocks of any size give the
same bits.
"""

# numba turns the functions of vectors into others that take fewer arguments; no stub says so.
# pyright: reportCallIssue=false

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn

from vocoders.core import packed_memory, vectors
from vocoders.core.compiling import compiled
from vocoders.core.errors import ShapeError
from vocoders.core.packed_memory import LayoutBuilder, filled, join, side_by_side
from vocoders.core.vectors import exp, fma, load, sigmoid, splat, store

__all__ = ["GRU", "LSTM", "PackedCells", "PackedLayer", "run_layer"]

# Units whose sums are computed together.
_UNITS = 16


class _LSTM(NamedTuple):
    """Sums of a group of units: input, forget, cell and output gate."""

    input: int
    forget: int
    cell: int
    output: int
    size: int


class _GRU(NamedTuple):
    """Sums of a group of units: reset and update gate, and the new state's sums over the input and over the units."""

    reset: int
    update: int
    from_input: int
    from_state: int
    size: int


LSTM, GRU = side_by_side(_LSTM, _UNITS), side_by_side(_GRU, _UNITS)
# Both cells have four sums.
_ROW = LSTM.size


class PackedLayer(NamedTuple):
    """Starts of a layer's weights, in the order in which :func:`run_layer` reads them, and its sizes.

    Groups of 16 units are consecutive; a row is a record ``LSTM`` or ``GRU`` of their sums. The last group is padded
    with zeros.

    Attributes:
        rows: rows of the inputs, then of the units, (groups, inputs + units, 64).
        biases: (groups, 64).
        inputs: number of inputs.
        units: number of units.
        has_cell: whether it is an LSTM.
    """

    rows: int
    biases: int
    inputs: int
    units: int
    has_cell: bool


class PackedCells:
    """All layers of a stack.

    Args:
        cells: PyTorch's cells.
    """

    def __init__(self, cells: nn.LSTM | nn.GRU) -> None:
        builder, values = LayoutBuilder({"weights": np.float32}, _UNITS), {}
        self.layers = []
        for index in range(cells.num_layers):
            parts = _layer_rows(cells, index)
            values |= {f"layers.{index}.{name}": part for name, part in parts.items()}
            rows, biases = (
                builder.place("weights", f"layers.{index}.{name}", *part.shape) for name, part in parts.items()
            )
            inputs = parts["rows"].shape[1] - cells.hidden_size
            self.layers.append(PackedLayer(rows, biases, inputs, cells.hidden_size, isinstance(cells, nn.LSTM)))
        self.layout = builder.finish()
        arrays = self.layout.allocate()
        for name, part in values.items():
            self.layout.view(arrays, name)[...] = part
        self._weights = arrays["weights"]

    def run(self, x: np.ndarray, states: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Run the next samples of a stream.

        Args:
            x: inputs (B, T, inputs).
            states: hidden states, and cell states of an LSTM, (B, layers, units); not changed.

        Returns:
            Outputs (B, T, units), and the states after them.

        Raises:
            ShapeError: for states of other cells.
        """
        units = self.layers[0].units
        width, expected = filled(units, _UNITS), (len(x), len(self.layers), units)
        for state in states:
            if state.shape != expected:
                raise ShapeError(f"state {state.shape} of other cells; expected {expected}")
        memories = [np.zeros((state.shape[1], len(x), width), np.float32) for state in states]
        for memory, state in zip(memories, states, strict=True):
            memory[..., :units] = state.swapaxes(0, 1)
        for index, layer in enumerate(self.layers):
            y = np.empty((*x.shape[:2], width), np.float32)
            run_layer(self._weights, *layer, x, memories[0][index], memories[-1][index], y)
            x = y
        return x[..., :units], [memory[..., :units].swapaxes(0, 1) for memory in memories]


@torch.no_grad()
def _layer_rows(cells: nn.LSTM | nn.GRU, layer: int) -> dict[str, np.ndarray]:
    """Return a layer's pieces: ``rows`` and ``biases``, see :class:`PackedLayer`."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    from_input, from_state, input_bias, state_bias = (getattr(cells, f"{name}_l{layer}").float() for name in names)
    units, record, biases = cells.hidden_size, LSTM, input_bias + state_bias
    if isinstance(cells, nn.GRU):
        record = GRU
        nothing = [torch.zeros_like(tensor[:units]) for tensor in (from_input, from_state)]
        gates, own = slice(0, 2 * units), slice(2 * units, 3 * units)
        biases = torch.cat([biases[gates], input_bias[own], state_bias[own]])
        from_input = torch.cat([from_input, nothing[0]])
        from_state = torch.cat([from_state[gates], nothing[1], from_state[own]])
    rows = torch.cat([from_input, from_state], dim=1).T
    return {"rows": _in_groups(record, rows, units), "biases": _in_groups(record, biases[None], units)[:, 0]}


def _in_groups(record: _LSTM | _GRU, rows: Tensor, units: int) -> np.ndarray:
    """Reorder PyTorch's rows (n, 4 * units) as (groups, n, 64)."""
    sums = nn.functional.pad(rows.unflatten(1, (4, units)), (0, -units % _UNITS))
    groups = sums.unflatten(2, (-1, _UNITS)).permute(1, 2, 0, 3).cpu().numpy()
    return join(record, **dict(zip(record._fields, groups, strict=False)))


@njit
def _tanh(x):
    return 2.0 / (1.0 + exp(-2.0 * x)) - 1.0


@njit
def _sums(weights, row, bias, x, at, inputs, hidden, units, work):
    """Write the four sums of a group's units for one sample to ``work``."""
    sums = load(weights, bias, _ROW)
    for i in range(inputs):
        sums = fma(load(weights, row, _ROW), splat(x[at + i], _ROW), sums)
        row += _ROW
    for unit in range(units):
        sums = fma(load(weights, row, _ROW), splat(hidden[unit], _ROW), sums)
        row += _ROW
    store(work, 0, sums)


@compiled(packed_memory, vectors)
def run_layer(weights, rows, biases, inputs, units, has_cell, x, hidden, cell, y):
    """Run one layer over the next samples of a stream.

    ``weights`` is flat; the arguments after it, up to ``has_cell``, are the fields of :class:`PackedLayer`. The
    function reads x (B, T, at least inputs), writes y (B, T, width), where the width is the number of units in full
    groups, and updates the states ``hidden`` and ``cell`` (B, width); a GRU does not use ``cell``. All arrays are
    contiguous float32.
    """
    batch, length, width = y.shape
    stride = x.shape[2]
    flat_x, flat_y = x.reshape(-1), y.reshape(-1)
    work = np.empty(_ROW, np.float32)
    for b in range(batch):
        now, memory = hidden[b], cell[b]
        for n in range(length):
            at, to = (b * length + n) * stride, (b * length + n) * width
            for group in range(width // _UNITS):
                row, bias = rows + group * (inputs + units) * _ROW, biases + group * _ROW
                _sums(weights, row, bias, flat_x, at, inputs, now, units, work)
                unit = _UNITS * group
                if has_cell:
                    kept = sigmoid(load(work, LSTM.forget, _UNITS)) * load(memory, unit, _UNITS)
                    entered = sigmoid(load(work, LSTM.input, _UNITS))
                    fresh = fma(entered, _tanh(load(work, LSTM.cell, _UNITS)), kept)
                    store(memory, unit, fresh)
                    store(flat_y, to + unit, sigmoid(load(work, LSTM.output, _UNITS)) * _tanh(fresh))
                else:
                    reset = sigmoid(load(work, GRU.reset, _UNITS))
                    own = fma(reset, load(work, GRU.from_state, _UNITS), load(work, GRU.from_input, _UNITS))
                    fresh, share = _tanh(own), sigmoid(load(work, GRU.update, _UNITS))
                    store(flat_y, to + unit, fma(share, load(now, unit, _UNITS) - fresh, fresh))
            # After all units have read the previous state.
            for unit in range(0, width, _UNITS):
                store(now, unit, load(flat_y, to + unit, _UNITS))
