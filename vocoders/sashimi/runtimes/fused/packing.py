"""Packing of a SaShiMi model for steps on CPUs: its numbers in the order of reading."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from vocoders.core.packed_memory import LayoutBuilder, filled, join, table
from vocoders.layers.s4 import S4Layer
from vocoders.sashimi.blocks import ChannelLayerNorm, FeedForward, ResidualBlock, ScalarNorm
from vocoders.sashimi.runtimes.fused.layout import (
    ENDS,
    NORM,
    OUTPUT,
    STATE,
    TILE,
    WIDE,
    BlockRow,
    LinearRow,
    Memory,
    NormRow,
    Program,
    Tables,
    TierRow,
)
from vocoders.sashimi.runtimes.fused.systems import (
    as_array,
    is_tied,
    state_tiles,
    tied_common,
    tied_tiles,
    untied_tiles,
)

if TYPE_CHECKING:
    from vocoders.sashimi.model import Sashimi
    from vocoders.sashimi.tiers import TierState

__all__ = ["WEIGHT_FORMATS", "pack", "place_state"]

WEIGHT_FORMATS = ("float32", "int16")

# Padding after the last code has probability 0.
_NEVER = -1e30
_TYPES = {"params": np.float32, "integers": np.int16, "state": np.float32, "work": np.float32}


class _Packer:
    """Lay out one model for ``batch_size`` items; values are written when all pieces are placed."""

    def __init__(self, batch_size: int, weight_format: str, num_biases: int) -> None:
        self.batch_size = batch_size
        self.weight_format = weight_format
        self.num_biases = num_biases
        self.layout = LayoutBuilder(_TYPES, WIDE)
        self.values: dict[str, np.ndarray] = {}
        self.norms: list[NormRow] = []
        self.linears: list[LinearRow] = []
        self.blocks: list[BlockRow] = []
        self.tiers: list[TierRow] = []
        self.widest = WIDE

    def add(self, array: str, name: str, values: np.ndarray) -> int:
        """Place values and return their start."""
        self.values[name] = values.astype(_TYPES[array])
        return self.layout.place(array, name, *values.shape)

    def add_norm(self, norm: ScalarNorm | ChannelLayerNorm, channels: int, offsets: Tensor | None = None) -> int:
        """Place a norm, with a bias for each label and one for their mean."""
        width = filled(channels, WIDE)
        parts, biases = np.zeros((3, width), np.float32), np.zeros((self.num_biases, width), np.float32)
        mask, gain, shift = parts
        mask[:channels] = 1
        epsilon = 0.0
        if isinstance(norm, ScalarNorm):
            gain[:channels] = norm.s.item()
            shift[:channels] = norm.s.item() * norm.m.item()
        else:
            gain[:channels], biases[:, :channels], epsilon = as_array(norm.weight), as_array(norm.bias), norm.eps
        if offsets is not None:
            biases[:, :channels] += as_array(offsets)
        number = len(self.norms)
        mask, gain, shift = parts.reshape(3, -1, WIDE)
        start = self.add("params", f"norms.{number}.tiles", join(NORM, mask=mask, gain=gain, shift=shift))
        bias = self.add("params", f"norms.{number}.biases", biases)
        return _append(self.norms, NormRow(start, bias, width, 1 / channels, epsilon))

    def add_linear(
        self, linear: nn.Linear, inputs: np.ndarray, outputs: np.ndarray, exact: bool = False, filling: float = 0.0
    ) -> int:
        """Place a matrix with given positions of inputs and outputs in vectors.

        Args:
            linear: weight and bias.
            inputs: position of each input.
            outputs: position of each output.
            exact: keep float32 in every weight format.
            filling: bias of the padding of the outputs.
        """
        dense = np.zeros((filled(outputs.max() + 1, WIDE), filled(inputs.max() + 1, WIDE)))
        dense[np.ix_(outputs, inputs)] = as_array(linear.weight)
        scale, bias = np.ones(len(dense)), np.full(len(dense), filling)
        bias[outputs] = as_array(linear.bias)
        is_integer = self.weight_format == "int16" and not exact
        if is_integer:
            scale = np.abs(dense).max(axis=1) / np.iinfo(np.int16).max
            scale[scale == 0] = 1
            dense = np.rint(dense / scale[:, None])
        number = len(self.linears)
        tiles = dense.reshape(-1, WIDE, dense.shape[1]).swapaxes(1, 2)
        start = self.add("integers" if is_integer else "params", f"linears.{number}.weights", tiles)
        ends = join(ENDS, scale=scale.reshape(-1, WIDE), bias=bias.reshape(-1, WIDE))
        self.widest = max(self.widest, *dense.shape)
        outputs_width, inputs_width = dense.shape
        place = self.add("params", f"linears.{number}.ends", ends)
        return _append(self.linears, LinearRow(start, place, inputs_width, outputs_width, is_integer))

    def add_block(self, block: ResidualBlock, channels: int) -> int:
        """Place a residual block with its norm."""
        offsets = None if block.label_offsets is None else block.offsets_with_mean()
        norm = self.add_norm(block.norm, channels, offsets)
        layer, places = block.layer, np.arange(channels)
        if isinstance(layer, FeedForward):
            middle = np.arange(layer.expand.out_features)
            first = self.add_linear(layer.expand, places, middle)
            return _append(self.blocks, BlockRow(norm, first, self.add_linear(layer.contract, middle, places)))
        fields = self._add_system(layer, filled(channels, WIDE))
        # Tiles of values and tiles of gates alternate.
        values = places // WIDE * 2 * WIDE + places % WIDE
        outputs = np.concatenate([values, values + WIDE]) if layer.gated else places
        first = self.add_linear(layer.output_linear, places, outputs)
        return _append(self.blocks, BlockRow(norm, first, is_gated=layer.gated, **fields))

    def _add_system(self, layer: S4Layer, width: int) -> dict[str, int]:
        """Place the systems of a block and room for their states; return their columns in the block's row."""
        name, kernel, skip = f"blocks.{len(self.blocks)}", layer.kernel, as_array(layer.D)
        fields = {"num_states": layer.config.d_state // 2, "is_tied": is_tied(kernel), "has_feedback": True}
        if fields["is_tied"]:
            fields["common"] = self.add("params", f"{name}.common", tied_common(kernel))
            tiles = tied_tiles(kernel, skip)
        else:
            tiles, fields["has_feedback"] = untied_tiles(kernel, skip)
        fields["system"] = self.add("params", f"{name}.system", tiles)
        shape = width // TILE, self.batch_size, fields["num_states"] * STATE.size + TILE
        fields["state"] = self.layout.place("state", f"{name}.state", *shape)
        return fields

    def add_tiers(self, model: "Sashimi") -> None:
        """Place all tiers with their blocks and pools."""
        config, tiers = model.config, model.network.tiers
        for index, channels in enumerate(config.widths):
            lowest, width = index == len(config.pool), filled(channels, WIDE)
            factor = 1 if lowest else config.pool[index]
            down = [] if lowest else tiers.down[index]
            up = tiers.centre if lowest else tiers.up[index]
            first = len(self.blocks)
            for block in [*down, *up]:
                self.add_block(block, channels)
            pool = unpool = -1
            if not lowest:
                below, places = np.arange(config.widths[index + 1]), _folded(channels, factor)
                pool = self.add_linear(tiers.pools[index].linear, places, below)
                unpool = self.add_linear(tiers.unpools[index].linear, below, places)
            middle, last = first + len(down), len(self.blocks)
            adds_entry = config.centre_skip if lowest else config.skips == "tier"
            vectors = self.batch_size, width
            frames = self.batch_size, factor, width
            shapes = {"stream": vectors, "entry": vectors, "frame": frames, "queue": frames}
            shapes["kept"] = (max(1, len(down)), *vectors)
            signals = {
                name: self.layout.place("work", f"tiers.{index}.{name}", *shape) for name, shape in shapes.items()
            }
            row = TierRow(index, width, factor, first, middle, middle, last, pool, unpool, adds_entry, **signals)
            self.tiers.append(row)


@torch.no_grad()
def pack(
    model: "Sashimi", batch_size: int, weight_format: str = "float32", labels: np.ndarray | None = None
) -> Program:
    """Pack a causal model.

    Args:
        model: on the CPU.
        batch_size: number of items that are stepped together.
        weight_format: ``float32``, or ``int16`` with one scale for each output, which halves the memory traffic and
            changes logits by some 1e-4.
        labels: int64 (B,), for a model with labels; the index after the last one, or ``None``, selects the mean of all.
    """
    packer = _Packer(batch_size, weight_format, len(model.config.labels) + 1)
    packer.add_tiers(model)
    channels, codes = np.arange(model.config.channels), np.arange(model.quantiser.num_codes)
    final_norm = packer.add_norm(model.network.norm, len(channels))
    head = packer.add_linear(model.head, channels, codes, exact=True, filling=_NEVER)
    embedding = np.zeros((len(codes), filled(len(channels), WIDE)))
    embedding[:, : len(channels)] = as_array(model.embedding.weight)
    place = packer.add("params", "embedding", embedding)
    temporary = {"normed": packer.widest, "middle": packer.widest, "spare": WIDE}
    temporary["logits"] = OUTPUT.size * packer.linears[head].outputs
    starts = {name: packer.layout.place("work", name, batch_size, width) for name, width in temporary.items()}
    layout = packer.layout.finish()
    arrays = layout.allocate()
    for name, values in packer.values.items():
        layout.view(arrays, name)[...] = values
    norms, linears = table(NormRow, packer.norms), table(LinearRow, packer.linears)
    blocks, tiers = table(BlockRow, packer.blocks), table(TierRow, packer.tiers)
    labels = np.full(batch_size, len(model.config.labels)) if labels is None else np.array(labels, np.int64)
    places: dict[str, Any] = {**arrays, "labels": labels, **starts}
    tables = Tables(norms, linears, blocks, tiers, place, final_norm, head)
    return Program(layout, Memory(**places), tables)


def place_state(program: Program, state: "TierState") -> np.ndarray:
    """Write a state of the model into a program's memory; return the fill of the unfinished frame of every tier."""
    counts = []
    for tier in program.tables.tiers:
        numbers = range(tier.down_first, tier.up_last)
        for number, block_state in zip(numbers, [*state.down, *state.up], strict=True):
            if block_state is not None:
                name, is_tied = f"blocks.{number}", program.tables.blocks[number].is_tied
                packed = [program.view(f"{name}.{part}") for part in ("common", "system")] if is_tied else []
                program.view(f"{name}.state")[...] = state_tiles(as_array(block_state.x), tier.width, *packed)
        if tier.pool < 0:
            break
        assert state.frame is not None
        assert state.queue is not None
        assert state.inner is not None
        frame, queue = (as_array(value).swapaxes(1, 2) for value in (state.frame, state.queue))
        counts.append(frame.shape[1])
        for part, values, first in (("frame", frame, 0), ("queue", queue, tier.factor - queue.shape[1])):
            slots = program.view(f"tiers.{tier.number}.{part}")
            slots[:, first : first + values.shape[1], : values.shape[2]] = values
        state = state.inner
    return np.array(counts, np.int64)


def _folded(channels: int, factor: int) -> np.ndarray:
    """Return the index of entry channel * factor + position of a folded frame, which is a list of padded vectors."""
    return (np.arange(channels)[:, None] + filled(channels, WIDE) * np.arange(factor)).ravel()


def _append(rows: list[Any], row: Any) -> int:
    rows.append(row)
    return len(rows) - 1
