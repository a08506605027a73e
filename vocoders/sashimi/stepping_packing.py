"""A SaShiMi model laid out for stepping on CPUs: flat arrays in the order in which a step reads them, and tables.

Channels are filled up with zeros to multiples of 64, matrices lie in tiles of 64 outputs, state-space systems in tiles
of 32 features, each with what belongs to one state side by side.
"""

import contextlib
import mmap
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vocoders.layers.s4 import S4Layer
from vocoders.layers.s4.kernel import StateSpaceKernel
from vocoders.sashimi.blocks import FeedForward, ResidualBlock, ScalarNorm
from vocoders.sashimi.model import Sashimi
from vocoders.sashimi.tiers import TierState

__all__ = ["Memory", "Program", "Tables", "WEIGHT_FORMATS", "pack", "place_state"]

WEIGHT_FORMATS = ("float32", "int16")

_WIDE, _TILE = 64, 32
# States are counted in units of p only where its least entry is more than this part of the greatest.
_LEAST_UNIT = 1e-4
_LARGE_PAGE = 1 << 21
_NORM = np.dtype(
    [("start", np.int64), ("bias", np.int64), ("width", np.int64), ("share", np.float64), ("epsilon", np.float64)]
)
_LINEAR = np.dtype([(name, np.int64) for name in ("weight", "scale", "inputs", "outputs", "is_integer")])
_BLOCK = np.dtype(
    [
        (name, np.int64)
        for name in (
            "norm",
            "first",
            "second",
            "is_gated",
            "system",
            "common",
            "state",
            "num_states",
            "is_tied",
            "has_feedback",
        )
    ]
)
_TIER = np.dtype(
    [
        (name, np.int64)
        for name in (
            "index",
            "width",
            "factor",
            "down_first",
            "down_last",
            "up_first",
            "up_last",
            "pool",
            "unpool",
            "adds_entry",
            "stream",
            "entry",
            "frame",
            "queue",
            "kept",
        )
    ]
)


class Memory(NamedTuple):
    """Arrays of numbers, the label of each item, and where temporary vectors of a step lie in ``work``."""

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
    """Where everything lies."""

    norms: np.ndarray
    linears: np.ndarray
    blocks: np.ndarray
    tiers: np.ndarray
    embedding: int
    final_norm: int
    head: int


class Program(NamedTuple):
    """A model for a number of items."""

    memory: Memory
    tables: Tables
    batch_size: int


class _Arena:
    """An array that is put together piece by piece, every piece at an address that vectors like."""

    def __init__(self, dtype: type) -> None:
        self.dtype = np.dtype(dtype)
        self.pieces: list[tuple[int, np.ndarray]] = []
        self.size = 0

    def add(self, values: np.ndarray) -> int:
        """Append values and return their place."""
        place = self.reserve(values.size)
        self.pieces.append((place, np.ascontiguousarray(values, self.dtype).ravel()))
        return place

    def reserve(self, size: int) -> int:
        """Append zeros and return their place."""
        place = self.size
        self.size += _filled(size)
        return place

    def write(self, target: np.ndarray) -> np.ndarray:
        """Write the whole into ``target``, which holds zeros, and return it."""
        for place, values in self.pieces:
            target[place : place + values.size] = values
        return target


def _allocate(arenas: list[_Arena]) -> list[np.ndarray]:
    """Return the arenas' arrays, in one piece of memory with large pages where the system has them.

    Small pages lie anywhere in physical memory, and those that fall on the same sets of a cache displace each other.
    """
    sizes = [arena.size * arena.dtype.itemsize for arena in arenas]
    buffer = mmap.mmap(-1, sum(sizes) + 2 * _LARGE_PAGE)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        # A wish, not a need: systems without large pages refuse it.
        with contextlib.suppress(OSError):
            buffer.madvise(mmap.MADV_HUGEPAGE)
    whole = np.frombuffer(buffer, np.uint8)
    start = -whole.ctypes.data % _LARGE_PAGE
    arrays = []
    for arena, size in zip(arenas, sizes, strict=True):
        arrays.append(arena.write(whole[start : start + size].view(arena.dtype)))
        start += size
    return arrays


class _Packer:
    """Lay out one model for ``batch_size`` items."""

    def __init__(self, batch_size: int, weight_format: str, num_biases: int) -> None:
        self.batch_size = batch_size
        self.weight_format = weight_format
        self.num_biases = num_biases
        self.params, self.integers = _Arena(np.float32), _Arena(np.int16)
        self.state, self.work = _Arena(np.float32), _Arena(np.float32)
        self.norms: list[tuple] = []
        self.linears: list[tuple] = []
        self.blocks: list[tuple] = []
        self.widest = _WIDE

    def add_norm(self, norm: nn.Module, channels: int, offsets: Tensor | None = None) -> int:
        """Lay out a norm: mask, gain and shift for each 64 channels, and a bias for each label and their mean."""
        width = _filled(channels)
        rows, biases = np.zeros((3, width), np.float32), np.zeros((self.num_biases, width), np.float32)
        rows[0, :channels] = 1
        epsilon = 0.0
        if isinstance(norm, ScalarNorm):
            rows[1, :channels] = norm.s.item()
            rows[2, :channels] = norm.s.item() * norm.m.item()
        else:
            rows[1, :channels], biases[:, :channels], epsilon = _numpy(norm.weight), _numpy(norm.bias), norm.eps
        if offsets is not None:
            biases[:, :channels] += _numpy(offsets)
        start, bias = self.params.add(rows.reshape(3, -1, _WIDE).swapaxes(0, 1)), self.params.add(biases)
        return _append(self.norms, (start, bias, width, 1 / channels, epsilon))

    def add_linear(self, linear: nn.Linear, inputs: np.ndarray, outputs: np.ndarray, exact: bool = False) -> int:
        """Lay out a matrix whose inputs and outputs stand at the given places of vectors."""
        dense = np.zeros((_filled(outputs.max() + 1), _filled(inputs.max() + 1)))
        dense[np.ix_(outputs, inputs)] = _numpy(linear.weight)
        scale, bias = np.ones(len(dense)), np.zeros(len(dense))
        bias[outputs] = _numpy(linear.bias)
        is_integer = self.weight_format == "int16" and not exact
        if is_integer:
            scale = np.abs(dense).max(axis=1) / np.iinfo(np.int16).max
            scale[scale == 0] = 1
            dense = np.rint(dense / scale[:, None])
        tiles = dense.reshape(-1, _WIDE, dense.shape[1]).swapaxes(1, 2)
        place = (self.integers if is_integer else self.params).add(tiles)
        ends = self.params.add(np.stack([scale.reshape(-1, _WIDE), bias.reshape(-1, _WIDE)], axis=1))
        self.widest = max(self.widest, *dense.shape)
        return _append(self.linears, (place, ends, dense.shape[1], dense.shape[0], is_integer))

    def add_block(self, block: ResidualBlock, channels: int) -> int:
        """Lay out a residual block with its norm."""
        offsets = None if block.label_offsets is None else block.offsets_with_mean()
        norm = self.add_norm(block.norm, channels, offsets)
        layer, places = block.layer, np.arange(channels)
        if isinstance(layer, FeedForward):
            middle = np.arange(layer.expand.out_features)
            first = self.add_linear(layer.expand, places, middle)
            second = self.add_linear(layer.contract, middle, places)
            return _append(self.blocks, (norm, first, second) + (0,) * 7)
        system, common, is_tied, has_feedback = self._add_system(layer)
        num_states = layer.config.d_state // 2
        # A vector for the sum of the feedback stands behind the states.
        state = self.state.reserve((2 * num_states + 1) * self.batch_size * _filled(channels))
        # Tiles of values and tiles of gates take turns.
        values = places // _WIDE * 2 * _WIDE + places % _WIDE
        outputs = np.concatenate([values, values + _WIDE]) if layer.gated else places
        first = self.add_linear(layer.output_linear, places, outputs)
        row = (norm, first, -1, layer.gated, system, common, state, num_states, is_tied, has_feedback)
        return _append(self.blocks, row)

    def _add_system(self, layer: S4Layer) -> tuple[int, int, bool, bool]:
        kernel, skip = layer.kernel, _numpy(layer.D)[:, None]
        if not _is_tied(kernel):
            rows, has_feedback = _untied_rows(kernel)
            return self.params.add(_tiled(skip, rows)), 0, False, has_feedback
        common, head, rows = _tied_rows(kernel)
        place = self.params.add(common)
        return self.params.add(_tiled(np.concatenate([head, skip], axis=1), rows)), place, True, True


def pack(model: Sashimi, batch_size: int, weight_format: str = "float32", labels: np.ndarray | None = None) -> Program:
    """Lay out a causal model.

    Args:
        model: on the CPU.
        batch_size: number of items that are stepped together.
        weight_format: ``float32``, or ``int16`` with one scale for each output: half the memory to read, logits
            to some 1e-4.
        labels: int64 (B,), of a model that has some; the number behind the last one, or ``None``, is the mean of all.
    """
    packer = _Packer(batch_size, weight_format, len(model.config.labels) + 1)
    tiers = _add_tiers(packer, model)
    channels = np.arange(model.config.channels)
    final_norm = packer.add_norm(model.network.norm, len(channels))
    head = packer.add_linear(model.head, channels, np.arange(model.quantiser.num_codes), exact=True)
    width = _filled(len(channels))
    embedding = np.zeros((model.quantiser.num_codes, width))
    embedding[:, : len(channels)] = _numpy(model.embedding.weight)
    place = packer.params.add(embedding)
    reserve = packer.work.reserve
    normed, middle = reserve(batch_size * packer.widest), reserve(batch_size * packer.widest)
    spare, logits = reserve(batch_size * _WIDE), reserve(batch_size * 3 * packer.linears[head][3])
    arrays = _allocate([packer.params, packer.integers, packer.state, packer.work])
    tables = Tables(
        np.array(packer.norms, _NORM).view(np.recarray),
        np.array(packer.linears, _LINEAR).view(np.recarray),
        np.array(packer.blocks, _BLOCK).view(np.recarray),
        np.array(tiers, _TIER).view(np.recarray),
        place,
        final_norm,
        head,
    )
    # What fills up the codes gets no probability.
    outputs = tables.linears[head]
    filling = np.arange(model.quantiser.num_codes, outputs.outputs)
    arrays[0][outputs.scale + filling // _WIDE * 2 * _WIDE + _WIDE + filling % _WIDE] = -1e30
    labels = np.full(batch_size, len(model.config.labels)) if labels is None else np.array(labels, np.int64)
    return Program(Memory(*arrays, labels, normed, middle, spare, logits), tables, batch_size)


def _add_tiers(packer: _Packer, model: Sashimi) -> list[tuple]:
    config, tiers = model.config, model.network.tiers
    rows = []
    for index, channels in enumerate(config.widths):
        lowest, width = index == len(config.pool), _filled(channels)
        factor = 1 if lowest else config.pool[index]
        size = packer.batch_size * width
        down = [] if lowest else tiers.down[index]
        up = tiers.centre if lowest else tiers.up[index]
        first = len(packer.blocks)
        for block in [*down, *up]:
            packer.add_block(block, channels)
        pool = unpool = -1
        if not lowest:
            below, places = np.arange(config.widths[index + 1]), _folded(channels, factor)
            pool = packer.add_linear(tiers.pools[index].linear, places, below)
            unpool = packer.add_linear(tiers.unpools[index].linear, below, places)
        middle, last = first + len(down), len(packer.blocks)
        adds_entry = config.centre_skip if lowest else config.skips == "tier"
        places = [packer.work.reserve(size * count) for count in (1, 1, factor, factor, max(1, len(down)))]
        rows.append((index, width, factor, first, middle, middle, last, pool, unpool, adds_entry, *places))
    return rows


def place_state(program: Program, state: TierState) -> np.ndarray:
    """Write a state of the model into a program's memory; return the samples in the unfinished frame of every tier."""
    memory, tables = program.memory, program.tables
    counts = []
    for tier in tables.tiers:
        blocks = [*state.down, *state.up]
        for row, block_state in zip(tables.blocks[tier.down_first : tier.up_last], blocks, strict=True):
            if block_state is not None:
                values = _tiled_states(memory.params, row, _numpy(block_state.x), tier.width)
                memory.state[row.state : row.state + values.size] = values.ravel()
        if tier.pool < 0:
            break
        frame, queue = (_numpy(value).swapaxes(1, 2) for value in (state.frame, state.queue))
        counts.append(frame.shape[1])
        for place, values, first in ((tier.frame, frame, 0), (tier.queue, queue, tier.factor - queue.shape[1])):
            slots = memory.work[place : place + program.batch_size * tier.factor * tier.width]
            slots = slots.reshape(program.batch_size, tier.factor, tier.width)
            slots[:, first : first + values.shape[1], : values.shape[2]] = values
        state = state.inner
    return np.array(counts, np.int64)


def _is_tied(kernel: StateSpaceKernel) -> bool:
    """Return whether all features share A = diag - p p* and B, and states can be counted in units of p."""
    if kernel.config.structure != "dplr" or len(kernel.A_real) > 1:
        return False
    size = np.abs(_numpy(kernel.continuous().p[0]))
    return size.min() > _LEAST_UNIT * size.max()


def _tied_rows(kernel: StateSpaceKernel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return |p|^2, lambda, b / p, p (n, 8 with filling), feedback and feed (H, 2), and D and 2 C p (H, n, 2)."""
    system = kernel.continuous()
    eigenvalues, p, b = (_numpy(value[0]) for value in (system.eigenvalues, system.p, system.b))
    rate = 2 / _numpy(system.dt)[:, None]
    inverse = 2 / (rate - eigenvalues)
    weight = np.abs(p) ** 2
    scale = 1 / (1 + (weight * inverse).real.sum(axis=1, keepdims=True))
    feed = scale * (p.conj() * inverse * b).real.sum(axis=1, keepdims=True)
    unit_b = b / p
    columns = [weight, eigenvalues.real, eigenvalues.imag, unit_b.real, unit_b.imag, p.real, p.imag, np.zeros(len(p))]
    output = 2 * _numpy(kernel.discretise().output[0]) * p
    return np.stack(columns, axis=1), np.concatenate([scale * rate, feed], axis=1), np.stack([inverse, output], axis=-1)


def _untied_rows(kernel: StateSpaceKernel) -> tuple[np.ndarray, bool]:
    """Return 2 right, left, pole - 1, B and 2 C as (H, n, 5), and whether the first two are not 0."""
    system = kernel.discretise()
    change, column, output = np.expm1(_numpy(system.log_poles)), _numpy(system.input), 2 * _numpy(system.output[0])
    has_feedback = system.left is not None
    factors = [2 * _numpy(system.right), _numpy(system.left)] if has_feedback else [np.zeros_like(column)] * 2
    return np.stack([*factors, change, column, output], axis=-1), has_feedback


def _tiled(head: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Put real (H, k) and complex (H, n, m) into tiles: k vectors, then for each state m pairs of vectors."""
    rows = np.ascontiguousarray(rows).view(np.float64).reshape(len(rows), -1)
    values = np.concatenate([head, rows], axis=1)
    filled = np.zeros((_filled(len(values)), values.shape[1]))
    filled[: len(values)] = values
    return filled.reshape(-1, _TILE, values.shape[1]).swapaxes(1, 2)


def _tiled_states(params: np.ndarray, row: np.record, x: np.ndarray, width: int) -> np.ndarray:
    """Put complex states (B, H, n) into tiles: for each tile and item, n pairs of vectors, and the feedback's sum."""
    batch_size, num_features, num_states = x.shape
    if row.is_tied:
        common = params[row.common : row.common + 8 * num_states].reshape(num_states, 8).astype(np.float64)
        x = x / (common[:, 5] + 1j * common[:, 6])
    filled = np.zeros((batch_size, width, num_states), np.complex128)
    filled[:, :num_features] = x
    tiles = filled.reshape(batch_size, -1, _TILE, num_states).transpose(1, 0, 3, 2)
    pairs = np.stack([tiles.real, tiles.imag], axis=3)
    sums = np.zeros((*pairs.shape[:2], 1, _TILE))
    if row.is_tied:
        rows = params[row.system : row.system + width * (3 + 4 * num_states)].reshape(len(tiles), -1, _TILE)
        d = rows[:, None, 3:].reshape(len(tiles), 1, num_states, 4, _TILE)
        sums = ((d[..., 0, :] * pairs[..., 0, :] - d[..., 1, :] * pairs[..., 1, :]) * common[:, :1]).sum(
            2, keepdims=True
        )
    return np.concatenate([pairs.reshape(*pairs.shape[:2], -1, _TILE), sums], axis=2)


def _folded(channels: int, factor: int) -> np.ndarray:
    """Return where entry channel * factor + position of a folded frame stands: frames are lists of filled vectors."""
    return (np.arange(channels)[:, None] + _filled(channels) * np.arange(factor)).ravel()


def _filled(size: int) -> int:
    return -(-size // _WIDE) * _WIDE


def _append(rows: list[tuple], row: tuple) -> int:
    rows.append(row)
    return len(rows) - 1


def _numpy(value: Tensor) -> np.ndarray:
    value = value.detach()
    return value.to(torch.complex128 if value.is_complex() else torch.float64).resolve_conj().numpy()
