"""The memory of a fused step: records of tiles, rows of tables, and the arrays of a program.

Channels are padded with zeros to whole vectors of 64; matrices are stored in tiles of 64 outputs, state-space systems
in tiles of 32 features. Each tile is a record of vectors in the order of reading.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vocoders.core.packed_memory import Layout, side_by_side

__all__ = [
    "ENDS",
    "NORM",
    "OUTPUT",
    "STATE",
    "TIED",
    "TIED_COMMON",
    "TIED_HEAD",
    "TILE",
    "UNTIED",
    "UNTIED_HEAD",
    "WIDE",
    "BlockRow",
    "LinearRow",
    "Memory",
    "NormRow",
    "Program",
    "Tables",
    "TierRow",
]

#: Numbers in a vector of channels, and features in a tile of state-space systems.
WIDE, TILE = 64, 32


class _Norm(NamedTuple):
    """For 64 channels: 1 for real channels and 0 for padding, gain, and gain times shift."""

    mask: int
    gain: int
    shift: int
    size: int


class _Ends(NamedTuple):
    """For 64 outputs: the numbers used after a matrix product."""

    scale: int
    bias: int
    size: int


class _TiedHead(NamedTuple):
    """For 32 features whose systems share A and B: factors of the feedback sum and of the input, and D."""

    feedback: int
    feed: int
    skip: int
    size: int


class _Tied(NamedTuple):
    """For one state of 32 such features: 1 / (1 / (dt / 2) - eigenvalue) and 2 C p."""

    inverse_real: int
    inverse_imag: int
    output_real: int
    output_imag: int
    size: int


class _TiedCommon(NamedTuple):
    """For one state, common to all features: the numbers |p|^2, eigenvalue, b / p and p."""

    weight: int
    eigenvalue_real: int
    eigenvalue_imag: int
    input_real: int
    input_imag: int
    unit_real: int
    unit_imag: int
    filling: int
    size: int


class _UntiedHead(NamedTuple):
    """For 32 features with separate systems: D."""

    skip: int
    size: int


class _Untied(NamedTuple):
    """For one state of 32 such features: 2 right, left, pole - 1, B and 2 C."""

    right_real: int
    right_imag: int
    left_real: int
    left_imag: int
    change_real: int
    change_imag: int
    input_real: int
    input_imag: int
    output_real: int
    output_imag: int
    size: int


class _State(NamedTuple):
    """One state of 32 features of an item; a vector for the feedback sum follows the last state."""

    real: int
    imag: int
    size: int


class _Output(NamedTuple):
    """For an item, vectors of the width of the output layer: logits, exponentials, exponentials at the temperature."""

    logits: int
    weights: int
    tempered: int
    size: int


NORM, ENDS = side_by_side(_Norm, WIDE), side_by_side(_Ends, WIDE)
TIED_HEAD, TIED, TIED_COMMON = side_by_side(_TiedHead, TILE), side_by_side(_Tied, TILE), side_by_side(_TiedCommon, 1)
UNTIED_HEAD, UNTIED = side_by_side(_UntiedHead, TILE), side_by_side(_Untied, TILE)
STATE = side_by_side(_State, TILE)
# In units of the output layer's width.
OUTPUT = side_by_side(_Output, 1)


class NormRow(NamedTuple):
    """A norm: start of its tiles (``NORM``) and of its biases, width, 1 / channels, and epsilon."""

    tiles: int
    biases: int
    width: int
    share: float
    epsilon: float


class LinearRow(NamedTuple):
    """A matrix: start of its tiles and of their ends (``ENDS``), widths, and whether its weights are int16."""

    weights: int
    ends: int
    inputs: int
    outputs: int
    is_integer: int


class BlockRow(NamedTuple):
    """A residual block: rows of its norm and matrices, start of its systems and of their states.

    A position-wise block has a ``second`` matrix, other blocks have systems.
    """

    norm: int
    first: int
    second: int = -1
    is_gated: int = 0
    system: int = 0
    common: int = 0
    state: int = 0
    num_states: int = 0
    is_tied: int = 0
    has_feedback: int = 0


class TierRow(NamedTuple):
    """A tier: rows of its blocks and pools, -1 for none, and the start of its signals.

    Attributes:
        number: number of the tier; 0 is the fastest.
        width: width of its vectors.
        factor: samples in a frame of its pool.
        down_first: first block before the pool.
        down_last: end of the blocks before the pool, exclusive.
        up_first: first block after the pool; in the lowest tier the first of all blocks.
        up_last: end of the blocks after the pool, exclusive.
        pool: matrix to the tier below.
        unpool: matrix from the tier below.
        adds_entry: whether the input of the first block is added to the output of the last.
        stream: the current signal.
        entry: input of the blocks after the pool.
        frame: inputs of the pool.
        queue: outputs of the tier below.
        kept: inputs of the blocks before the pool.
    """

    number: int
    width: int
    factor: int
    down_first: int
    down_last: int
    up_first: int
    up_last: int
    pool: int
    unpool: int
    adds_entry: int
    stream: int
    entry: int
    frame: int
    queue: int
    kept: int


class Memory(NamedTuple):
    """Flat arrays, the label of each item, and the start of a step's temporary vectors in ``work``."""

    params: np.ndarray
    integers: np.ndarray
    state: np.ndarray
    work: np.ndarray
    labels: np.ndarray
    normed: int
    middle: int
    spare: int
    logits: int


class Tables(NamedTuple):
    """Rows of each kind, the start of the embedding, and the last rows."""

    norms: np.recarray
    linears: np.recarray
    blocks: np.recarray
    tiers: np.recarray
    embedding: int
    final_norm: int
    head: int


@dataclass(frozen=True)
class Program:
    """A model laid out for a number of items.

    Attributes:
        layout: layout of the flat arrays of ``memory``.
        memory: arrays that compiled code reads and writes.
        tables: positions in these arrays.
    """

    layout: Layout
    memory: Memory
    tables: Tables

    def view(self, name: str) -> np.ndarray:
        """Return a piece of the memory, see :meth:`~vocoders.core.packed_memory.Layout.view`."""
        return self.layout.view(self.memory._asdict(), name)
