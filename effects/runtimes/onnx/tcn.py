"""The step graph of a TCN: histories are states, and each convolution is one matrix product on its taps."""

import numpy as np

from effects.models.tcn import TCN, TCNBlock
from effects.runtimes.onnx.graph import Graph
from effects.runtimes.onnx.parts import (
    END,
    Rows,
    add_condition,
    add_head,
    add_modulations,
    add_pointwise,
    delayed,
    integers,
    weight,
)

__all__ = ["RING_FROM", "build_tcn"]

# Histories of at least this many samples are ring buffers, written in place; shorter ones are shifted.
RING_FROM = 2048


def build_tcn(model: TCN, graph: Graph, max_block: int) -> None:
    """Write a TCN to ``graph``.

    Args:
        model: the network.
        graph: an empty graph.
        max_block: largest block for the rings; longer calls are an error of the runtime.
    """
    config = model.config
    rows = Rows(graph, config.audio_channels)
    films = [block.film for block in model.blocks]
    modulations = add_modulations(graph, add_condition(graph, model.condition), films)
    rings = _Rings(graph, rows, max_block) if any(block.context >= RING_FROM for block in model.blocks) else None
    x = rows.audio
    for index, (block, modulation) in enumerate(zip(model.blocks, modulations, strict=True)):
        x = _add_block(graph, rows, rings, block, f"history.{index}", x, modulation)
    features = add_pointwise(graph, model.projection, x)
    late = model.latency if config.head == "gain" else 0
    add_head(graph, model.head, features, delayed(graph, rows, config.audio_channels, late))
    if rings is not None:
        rings.advance()


class _Rings:
    """Ring buffers of histories: new samples overwrite those that are no longer needed.

    Each ring has its own position, since their lengths differ.
    """

    def __init__(self, graph: Graph, rows: Rows, max_block: int) -> None:
        self._graph, self._rows, self._room = graph, rows, max_block
        # Index 1 of a single zero does not exist, so a block that would overwrite needed samples raises an error.
        excess = graph.op("Div", rows.count, integers(max_block + 1))
        self._column = graph.op("Add", rows.column, graph.op("Gather", integers(0), excess))
        self._places: dict[int, str] = {}

    def write(self, name: str, context: int, channels: int, x: str) -> tuple[str, str, int]:
        """Write ``x``; return the ring, the first row (T, 1) of the history of each sample, and the ring's length."""
        graph, size = self._graph, context + self._room
        state = graph.state(name, size, channels, in_place=True)
        if size not in self._places:
            self._places[size] = graph.state(f"position.{size}", 1, dtype="int64").input
        here = self.wrap(graph.op("Add", self._column, self._places[size]), size)
        ring = graph.op("ScatterND", state.input, here, x, name=state.output)
        return ring, self.wrap(graph.op("Add", here, integers(size - context)), size), size

    def wrap(self, indices: str, size: int) -> str:
        """Wrap indices below twice the size of a ring."""
        graph = self._graph
        beyond = graph.op("Sub", indices, integers(size))
        return graph.op("Where", graph.op("Less", indices, integers(size)), indices, beyond)

    def advance(self) -> None:
        """Advance the positions after a write."""
        for size, place in self._places.items():
            moved = self._graph.op("Add", place, self._rows.count)
            name = place.replace("state.", "next.", 1)
            self._graph.op("Mod", moved, integers(size), name=name)


def _add_block(
    graph: Graph, rows: Rows, rings: _Rings | None, block: TCNBlock, name: str, x: str, modulation: tuple[str, str]
) -> str:
    channels, in_channels, (taps,) = block.conv.out_channels, block.conv.in_channels, block.conv.kernel_size
    (dilation,), context, start = block.conv.dilation, block.context, block.residual_start
    offsets = integers(*(tap * dilation for tap in range(taps)))
    if rings is not None and context >= RING_FROM:
        known, first, size = rings.write(name, context, in_channels, x)
        needed = rings.wrap(graph.op("Add", first, offsets), size)
        at = rings.wrap(graph.op("Add", first, integers(start)), size) if start != context else None
        dry = x if at is None else graph.op("Gather", known, graph.op("Squeeze", at, integers(1)), axis=0)
    else:
        state = graph.state(name, context, in_channels)
        known = graph.op("Concat", state.input, x, axis=0)
        graph.op("Slice", known, rows.count, integers(END), integers(0), name=state.output)
        needed = graph.op("Add", rows.column, offsets)
        end = graph.op("Add", rows.count, integers(start))
        dry = x if start == context else graph.op("Slice", known, integers(start), end, integers(0))
    columns = graph.op("Gather", known, needed, axis=0)
    columns = graph.op("Reshape", columns, integers(-1, taps * in_channels))
    kernel = weight(block.conv.weight.permute(2, 1, 0)).reshape(taps * in_channels, channels)
    # The gain is applied to the few weights, not to the samples.
    y = graph.op("Gemm", columns, graph.op("Mul", kernel, modulation[0]), modulation[1])
    return graph.op("Add", _prelu(graph, y, weight(block.activation.weight)), _residual(graph, dry, block))


def _prelu(graph: Graph, y: str, slope: np.ndarray) -> str:
    """Return PReLU: ONNX Runtime takes five times as long for its own operator as for these nodes."""
    if (slope <= 1).all():
        return graph.op("Max", y, graph.op("Mul", y, slope[None]))
    return graph.op("PRelu", y, slope[None])


def _residual(graph: Graph, dry: str, block: TCNBlock) -> str:
    in_channels, channels = block.conv.in_channels, block.conv.out_channels
    gains = weight(block.residual.weight).reshape(in_channels, -1)
    if in_channels in (1, channels):
        return graph.op("Mul", dry, gains.reshape(1, channels))
    parted = graph.op("Mul", graph.op("Unsqueeze", dry, integers(2)), gains[None])
    return graph.op("Reshape", parted, integers(-1, channels))
