"""LSTM and GRU cells on a CPU, compiled: a whole block without leaving the loop over its samples.

Cells of a few dozen units are too small for a library's matrix products, whose calls cost more than their work. Here
the four sums of 16 units are one vector, so a sample is a handful of vector instructions for each input and unit; the
weights of a small layer stay in the nearest cache. Samples are worked on one after the other, so blocks of any size
give the same bits.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn

from vocoders.core.compiling import compiled
from vocoders.core.errors import ShapeError
from vocoders.layers import vectors
from vocoders.layers.vectors import exp, fma, load, sigmoid, splat, store

__all__ = ["PackedCells", "PackedLayer", "run_layer"]

# Units whose sums are worked on together.
_UNITS = 16


class PackedLayer(NamedTuple):
    """A layer's weights in the order in which :func:`run_layer` reads them.

    Groups of 16 units follow each other; a row holds four sums of each. Of an LSTM: input, forget, cell and output
    gate. Of a GRU: reset and update gate, and the new state's part from the input and from the state, which the reset
    gate must reach alone. Units that fill up the last group are zero.

    Attributes:
        weights: rows of the inputs, then of the units, (groups, inputs + units, 64).
        biases: (groups, 64).
        inputs: number of inputs.
        units: number of units.
        has_cell: whether it is an LSTM.
    """

    weights: np.ndarray
    biases: np.ndarray
    inputs: int
    units: int
    has_cell: bool

    @property
    def width(self) -> int:
        """Units in full groups."""
        return _UNITS * len(self.biases)


class PackedCells:
    """All layers on top of each other.

    Args:
        cells: the library's.
    """

    def __init__(self, cells: nn.LSTM | nn.GRU) -> None:
        self.layers = [_pack_layer(cells, layer) for layer in range(cells.num_layers)]

    def run(self, x: np.ndarray, states: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Run the next samples of a stream.

        Args:
            x: inputs (B, T, inputs).
            states: hidden states, and cell states of an LSTM, (B, layers, units); they stay as they are.

        Returns:
            Outputs (B, T, units), and the states behind them.

        Raises:
            ShapeError: for states of other cells.
        """
        units, width = self.layers[0].units, self.layers[0].width
        expected = (len(x), len(self.layers), units)
        for state in states:
            if state.shape != expected:
                raise ShapeError(f"state {state.shape} of other cells; expected {expected}")
        memories = [np.zeros((state.shape[1], len(x), width), np.float32) for state in states]
        for memory, state in zip(memories, states, strict=True):
            memory[..., :units] = state.swapaxes(0, 1)
        for index, layer in enumerate(self.layers):
            y = np.empty((*x.shape[:2], width), np.float32)
            run_layer(*layer, x, memories[0][index], memories[-1][index], y)
            x = y
        return x[..., :units], [memory[..., :units].swapaxes(0, 1) for memory in memories]


@torch.no_grad()
def _pack_layer(cells: nn.LSTM | nn.GRU, layer: int) -> PackedLayer:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    from_input, from_state, input_bias, state_bias = (getattr(cells, f"{name}_l{layer}").float() for name in names)
    has_cell, units = isinstance(cells, nn.LSTM), cells.hidden_size
    biases = input_bias + state_bias
    if not has_cell:
        nothing = [torch.zeros_like(tensor[:units]) for tensor in (from_input, from_state, biases)]
        gates, own = slice(0, 2 * units), slice(2 * units, 3 * units)
        biases = torch.cat([biases[gates], input_bias[own], state_bias[own]])
        from_input = torch.cat([from_input, nothing[0]])
        from_state = torch.cat([from_state[gates], nothing[1], from_state[own]])
    rows = torch.cat([from_input, from_state], dim=1).T
    weights, sums = _in_groups(rows, units), _in_groups(biases[None], units)[:, 0]
    return PackedLayer(weights, np.ascontiguousarray(sums), from_input.shape[1], units, has_cell)


def _in_groups(rows: Tensor, units: int) -> np.ndarray:
    """Order rows (n, 4 * units) as (groups, n, 64)."""
    sums = nn.functional.pad(rows.unflatten(1, (4, units)), (0, -units % _UNITS))
    grouped = sums.unflatten(2, (-1, _UNITS)).permute(2, 0, 1, 3).flatten(2)
    return np.ascontiguousarray(grouped.cpu().numpy())


@njit
def _tanh(x):
    return 2.0 / (1.0 + exp(-2.0 * x)) - 1.0


@njit
def _sums(weights, biases, group, x, at, inputs, hidden, units, work):
    """Write the four sums of a group's units for one sample to ``work``."""
    row = group * (inputs + units) * 64
    sums = load(biases, group * 64, 64)
    for i in range(inputs):
        sums = fma(load(weights, row, 64), splat(x[at + i], 64), sums)
        row += 64
    for unit in range(units):
        sums = fma(load(weights, row, 64), splat(hidden[unit], 64), sums)
        row += 64
    store(work, 0, sums)


@compiled(vectors)
def run_layer(weights, biases, inputs, units, has_cell, x, hidden, cell, y):
    """Run one layer over the next samples of a stream.

    The first arguments are the fields of :class:`PackedLayer`. It reads x (B, T, at least inputs), writes y (B, T,
    width), where the width is the number of units in full groups, and moves the states on: ``hidden`` and ``cell``
    (B, width), of which a GRU leaves ``cell`` alone. All arrays are contiguous float32.
    """
    batch, length, width = y.shape
    row = x.shape[2]
    flat_weights, flat_biases, flat_x, flat_y = weights.reshape(-1), biases.reshape(-1), x.reshape(-1), y.reshape(-1)
    work = np.empty(64, np.float32)
    for b in range(batch):
        now, memory = hidden[b], cell[b]
        for n in range(length):
            to = (b * length + n) * width
            for group in range(width // 16):
                _sums(flat_weights, flat_biases, group, flat_x, (b * length + n) * row, inputs, now, units, work)
                unit = 16 * group
                if has_cell:
                    kept = sigmoid(load(work, 16, 16)) * load(memory, unit, 16)
                    fresh = fma(sigmoid(load(work, 0, 16)), _tanh(load(work, 32, 16)), kept)
                    store(memory, unit, fresh)
                    store(flat_y, to + unit, sigmoid(load(work, 48, 16)) * _tanh(fresh))
                else:
                    fresh = _tanh(fma(sigmoid(load(work, 0, 16)), load(work, 48, 16), load(work, 32, 16)))
                    share = sigmoid(load(work, 16, 16))
                    store(flat_y, to + unit, fma(share, load(now, unit, 16) - fresh, fresh))
            # Only now: all units have read the state before.
            for unit in range(0, width, 16):
                store(now, unit, load(flat_y, to + unit, 16))
