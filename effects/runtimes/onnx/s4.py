"""The step graph of a state-space effect: matrix products within chunks, the recurrence between chunks."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effects.models.s4 import S4Effect
from effects.runtimes.onnx.graph import Graph
from effects.runtimes.onnx.parts import (
    DOUBLE,
    END,
    FLOAT,
    Rows,
    add_condition,
    add_head,
    add_modulations,
    add_pointwise,
    integers,
    weight,
)
from vocoders.layers.s4.layer import S4Layer

__all__ = ["CHUNK", "build_s4"]

# Samples of a chunk, computed by one matrix product.
CHUNK = 32


def build_s4(model: S4Effect, graph: Graph, max_block: int) -> None:
    """Write a state-space effect to ``graph``; blocks of any length are possible, ``max_block`` is not used."""
    rows = Rows(graph, model.config.audio_channels)
    films = [block.film for block in model.blocks]
    modulations = add_modulations(graph, add_condition(graph, model.condition), films)
    chunks = _Chunks(graph, rows)
    x = add_pointwise(graph, model.expansion, rows.audio)
    for index, (block, (gain, shift)) in enumerate(zip(model.blocks, modulations, strict=True)):
        y = _gated(graph, block.layer, chunks.recur(_Matrices.of(block.layer), f"states.{index}", x))
        x = graph.op("Add", x, graph.op("Add", graph.op("Mul", y, gain), shift))
    features = add_pointwise(graph, model.projection, x)
    add_head(graph, model.head, features, rows.audio)


@dataclass(frozen=True)
class _Matrices:
    """Matrices of a layer's recurrence on Q samples, for H features.

    The recurrence is x[t] = A x[t - 1] + B u[t], y[t] = 2 Re(C x[t]) + D u[t]. A state is a row of n real and n
    imaginary parts.

    Attributes:
        enter: contribution of samples to the state after them, (H, Q, 2 n).
        read: contribution of samples, and of the state before them, to the output, (H, Q + 2 n, Q).
        powers: A^0 .. A^Q, as factors of a state and of the state with its parts swapped, (Q + 1, 2, H, 2 n).
    """

    enter: np.ndarray
    read: np.ndarray
    powers: np.ndarray

    @classmethod
    def of(cls, layer: S4Layer) -> "_Matrices":
        """Return the matrices of a layer."""
        system = layer.kernel.discretise()
        poles, entry, output = (part.detach().numpy() for part in (system.log_poles, system.input, system.output[0]))
        times = np.arange(CHUNK + 1)[:, None, None]
        powers: NDArray[np.complex128] = np.exp(times * poles)
        turned = np.stack([_row(powers.real, powers.real), _row(-powers.imag, powers.imag)], axis=1)
        entered = powers[CHUNK - 1 :: -1] * entry
        enter = _row(entered.real, entered.imag).transpose(1, 0, 2)
        response = 2 * (powers[:-1] * entry * output).sum(axis=-1).real
        response[0] += layer.D.detach().double().numpy()
        # Row j of the first Q: the response to sample j.
        later = np.arange(CHUNK)[None] - np.arange(CHUNK)[:, None]
        convolve = np.where(later >= 0, response.T[:, later.clip(min=0)], 0)
        given = 2 * powers[1:] * output
        read = _row(given.real, -given.imag).transpose(1, 2, 0)
        return cls(enter, np.concatenate([convolve, read], axis=1), turned)


def _row(real: np.ndarray, imag: np.ndarray) -> np.ndarray:
    return np.concatenate([real, imag], axis=-1)


class _Chunks:
    """The samples of a call in N chunks of Q; the last one is padded with zeros."""

    def __init__(self, graph: Graph, rows: Rows) -> None:
        self._graph, self._rows = graph, rows
        self._missing = graph.op("Mod", graph.op("Neg", rows.count), integers(CHUNK))
        self._in_last = graph.op("Sub", integers(CHUNK), self._missing)
        self._to_end = graph.op("Mul", self._missing, integers(0, 0, 1, 0))
        self._to_start = graph.op("Mul", self._missing, integers(1, 0, 0, 0))

    def recur(self, matrices: _Matrices, name: str, x: str) -> str:
        """Return the outputs (T, H), float32, of a recurrence for x (T, H), from the state ``name``."""
        graph, op = self._graph, self._graph.op
        features, _, size = matrices.enter.shape
        state = graph.state(name, features, size, dtype="float64")
        x = op("Cast", x, to=DOUBLE)
        chunks = op("Reshape", op("Pad", x, self._to_end), integers(-1, CHUNK, features))
        chunks = op("Transpose", chunks, perm=[2, 0, 1])
        entering = op("Transpose", op("MatMul", chunks, matrices.enter), perm=[1, 0, 2])

        def step(before: str, entered: str) -> list[str]:
            same, turned = matrices.powers[CHUNK]
            after = self._move(before, same, turned, entered)
            return [after, op("Identity", before)]

        body = graph.body(2, step)
        _, before = graph.ops("Scan", state.input, entering, names=2, body=body, num_scan_inputs=1)
        self._end(matrices, state.output, x, before)
        known = op("Concat", chunks, op("Transpose", before, perm=[1, 0, 2]), axis=2)
        y = op("Transpose", op("MatMul", known, matrices.read), perm=[1, 2, 0])
        y = op("Slice", op("Reshape", y, integers(-1, features)), integers(0), self._rows.count, integers(0))
        return op("Cast", y, to=FLOAT)

    def _end(self, matrices: _Matrices, name: str, x: str, before: str) -> None:
        """Name the state after the last sample, which may be within a chunk."""
        op = self._graph.op
        features, _, size = matrices.enter.shape
        begin = op("Neg", self._in_last)
        last = op("Pad", op("Slice", x, begin, integers(END), integers(0)), self._to_start)
        last = op("Unsqueeze", op("Transpose", last, perm=[1, 0]), integers(1))
        entered = op("Squeeze", op("MatMul", last, matrices.enter), integers(1))
        factors = op("Squeeze", op("Gather", matrices.powers, self._in_last), integers(0))
        same, turned = (op("Gather", factors, np.int64(part)) for part in (0, 1))
        self._move(op("Gather", before, np.int64(-1)), same, turned, entered, name)

    def _move(
        self, state: str, same: str | np.ndarray, turned: str | np.ndarray, entered: str, name: str | None = None
    ) -> str:
        """Return a state (H, 2 n) times a power of A, plus the contribution of later samples."""
        op = self._graph.op
        changed = op("Concat", *reversed(self._graph.ops("Split", state, names=2, axis=1, num_outputs=2)), axis=1)
        moved = op("Add", op("Mul", state, same), op("Mul", changed, turned))
        return op("Add", moved, entered, name=name)


def _gated(graph: Graph, layer: S4Layer, y: str) -> str:
    """Return GELU, linear layer and gate of (T, H)."""
    op = graph.op
    share = op("Add", op("Erf", op("Mul", y, np.float32(math.sqrt(0.5)))), np.float32(1))
    y = op("Mul", op("Mul", y, share), np.float32(0.5))
    y = op("Gemm", y, weight(layer.output_linear.weight.T), weight(layer.output_linear.bias))
    y, gate = graph.ops("Split", y, names=2, axis=1, num_outputs=2)
    return op("Mul", y, op("Sigmoid", gate))
