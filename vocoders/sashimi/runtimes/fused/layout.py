"""The memory of a fused step: records of tiles, rows of tables, and the arrays of a program.

Channels are filled up with zeros to whole vectors of 64, matrices lie in tiles of 64 outputs, state-space systems in
tiles of 32 features. Each tile is a record of vectors, in the order in which a step reads them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vocoders.core.packed_memory import Layout, side_by_side

__all__ = [
    "ENDS",
    "NORM",
    "OUTPUT",
    "PROFILE_COLUMNS",
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

PROFILE_COLUMNS = ("norms", "state-space systems", "matrix products", "pools and skips", "output layer", "draw")


class _Norm(NamedTuple):
    """Of 64 channels: 1 for those that there are, gain, and gain times shift."""

    mask: int
    gain: int
    shift: int
    size: int


class _Ends(NamedTuple):
    """What follows a matrix product, of 64 outputs."""

    scale: int
    bias: int
    size: int


class _TiedHead(NamedTuple):
    """Of 32 features whose systems share A and B: factors of the feedback's sum and of the input, and D."""

    feedback: int
    feed: int
    skip: int
    size: int


class _Tied(NamedTuple):
    """Of one state of 32 such features: 1 / (1 / (dt / 2) - eigenvalue) and 2 C p."""

    inverse_real: int
    inverse_imag: int
    output_real: int
    output_imag: int
    size: int


class _TiedCommon(NamedTuple):
    """Of one state, common to all features: |p|^2, eigenvalue, b / p and p; single numbers."""

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
    """Of 32 features with systems of their own: D."""

    skip: int
    size: int


class _Untied(NamedTuple):
    """Of one state of 32 such features: 2 right, left, pole - 1, B and 2 C."""

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
    """One state of 32 features of an item; behind the last one lies a vector for the feedback's sum."""

    real: int
    imag: int
    size: int


class _Output(NamedTuple):
    """Of an item, vectors as wide as the output layer: logits, their exponentials, those at the temperature."""

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
    """A norm: where its tiles (``NORM``) and its biases start, its width, 1 / channels, and its epsilon."""

    tiles: int
    biases: int
    width: int
    share: float
    epsilon: float


class LinearRow(NamedTuple):
    """A matrix: where its tiles and their ends (``ENDS``) start, and its widths; whether its weights are int16."""

    weights: int
    ends: int
    inputs: int
    outputs: int
    is_integer: int


class BlockRow(NamedTuple):
    """A residual block: rows of its norm and matrices, and where its systems and their states start.

    A position-wise block has a ``second`` matrix, any other one a system.
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
    """A tier: rows of its blocks and pools, -1 for none, and where its signals start.

    Attributes:
        number: from 0, the fastest.
        width: of its vectors.
        factor: samples in a frame of its pool.
        down_first: first block before the pool.
        down_last: behind the last of them.
        up_first: first block after the pool; of the lowest tier, first of all.
        up_last: behind the last of them.
        pool: matrix to the tier below.
        unpool: matrix from the tier below.
        adds_entry: whether the last block's output gets the first one's input.
        stream: the signal, as it is.
        entry: the input of the blocks after the pool.
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
    """Flat arrays, the label of each item, and where temporary vectors of a step start in ``work``."""

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
    """Rows of each kind, where the embedding starts, and which rows come last."""

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
        layout: what lies where in the flat arrays of ``memory``.
        memory: what compiled code reads and writes.
        tables: where it finds it.
    """

    layout: Layout
    memory: Memory
    tables: Tables

    def view(self, name: str) -> np.ndarray:
        """Return a piece of the memory, see :meth:`~vocoders.core.packed_memory.Layout.view`."""
        return self.layout.view(self.memory._asdict(), name)
