"""Common parts of the graphs: audio as rows of time, the knobs' condition, modulation, heads.

In a graph, audio and features are (T, C), a row for each sample: the taps of a convolution are then whole rows, and the
weights are the right factor of each product, which ONNX Runtime packs once.
"""

import numpy as np
import torch
from torch import Tensor, nn

from effects.models.film import Condition, FiLM
from effects.models.head import LIMIT, Head
from effects.runtimes.onnx.graph import Graph

__all__ = [
    "DOUBLE",
    "END",
    "FLOAT",
    "Rows",
    "add_condition",
    "add_head",
    "add_modulations",
    "add_output",
    "add_pointwise",
    "delayed",
    "integers",
    "weight",
]

# Code of a slice for "to the end".
END = 1 << 62
# Codes of a cast for float32 and float64.
FLOAT, DOUBLE = 1, 11


def weight(tensor: Tensor) -> np.ndarray:
    """Return a parameter as a float32 array."""
    return tensor.detach().cpu().float().numpy()


def integers(*values: int) -> np.ndarray:
    """Return whole numbers as an array (n,) of int64."""
    return np.array(values, dtype=np.int64)


class Rows:
    """The input of a graph as rows.

    Attributes:
        audio: (T, C).
        count: T as a tensor (1,).
        column: 0 .. T - 1 as (T, 1).
    """

    def __init__(self, graph: Graph, channels: int) -> None:
        if channels == 1:
            self.audio = graph.op("Reshape", "audio", integers(-1, 1))
        else:
            self.audio = graph.op("Transpose", graph.op("Squeeze", "audio", integers(0)), perm=[1, 0])
        self.count = graph.op("Shape", "audio", start=2, end=3)
        numbers = graph.op("Range", np.int64(0), graph.op("Squeeze", self.count), np.int64(1))
        self.column = graph.op("Unsqueeze", numbers, integers(1))


def delayed(graph: Graph, rows: Rows, channels: int, samples: int) -> str:
    """Return the dry audio (T, C) with the delay of the model's output."""
    if samples == 0:
        return rows.audio
    state = graph.state("dry", samples, channels)
    known = graph.op("Concat", state.input, rows.audio, axis=0)
    graph.op("Slice", known, rows.count, integers(END), integers(0), name=state.output)
    return graph.op("Slice", known, integers(0), rows.count, integers(0))


def add_condition(graph: Graph, condition: Condition) -> str:
    """Return the condition (1, c) of the knobs."""
    if graph.knobs is None:
        return graph.constant(np.zeros((1, condition.out_channels), np.float32))
    x = graph.knobs
    for layer in condition.layers:
        if isinstance(layer, nn.Linear):
            x = graph.op("Gemm", x, weight(layer.weight.T), weight(layer.bias))
        else:
            x = graph.op("Relu", x)
    return x


def add_modulations(graph: Graph, condition: str, films: list[FiLM]) -> list[tuple[str, str]]:
    """Return gain and shift (1, C) of each modulation, all from one product; norms are folded into its weights."""
    weights, biases = [], []
    for film in films:
        gain_weight, shift_weight = film.adaptor.weight.double().chunk(2)
        gain_bias, shift_bias = film.adaptor.bias.double().chunk(2)
        if (normalisation := film.normalisation(torch.float64)) is not None:
            mean, scale = normalisation
            gain_weight, gain_bias = gain_weight * scale[:, None], gain_bias * scale
            shift_weight, shift_bias = shift_weight - gain_weight * mean[:, None], shift_bias - gain_bias * mean
        weights += [gain_weight, shift_weight]
        biases += [gain_bias, shift_bias]
    product = graph.op("Gemm", condition, weight(torch.cat(weights).T), weight(torch.cat(biases)))
    sizes = integers(*(len(bias) for bias in biases))
    parts = graph.ops("Split", product, sizes, names=len(biases), axis=1)
    return list(zip(parts[::2], parts[1::2], strict=True))


def add_pointwise(graph: Graph, conv: nn.Conv1d, x: str) -> str:
    """Return a convolution of kernel size 1 of x (T, C), one product."""
    bias = [] if conv.bias is None else [weight(conv.bias)]
    return graph.op("Gemm", x, weight(conv.weight[:, :, 0].T), *bias)


def add_head(graph: Graph, head: Head, features: str, dry: str) -> None:
    """Make the output (1, C, T) from features (T, n) and dry audio (T, C)."""
    if head.name != "gain":
        wet = graph.op("Tanh", features) if head.name == "direct" else features
        if head.residual_gain != 1:
            dry = graph.op("Mul", dry, np.float32(head.residual_gain))
        wet = graph.op("Add", dry, wet) if head.residual else wet
    else:
        gain, rest = graph.ops("Split", features, integers(1, head.audio_channels), names=2, axis=1)
        limited = graph.op("Mul", graph.op("Tanh", graph.op("Mul", gain, np.float32(1 / LIMIT))), np.float32(LIMIT))
        wet = graph.op("Mul", dry, graph.op("Exp", limited))
        wet = graph.op("Add", wet, graph.op("Mul", graph.op("Tanh", rest), weight(head.alpha)))
    add_output(graph, wet, head.audio_channels)


def add_output(graph: Graph, rows: str, channels: int) -> None:
    """Make the output (1, C, T) from rows (T, C)."""
    if channels == 1:
        graph.op("Reshape", rows, integers(1, 1, -1), name="output")
    else:
        graph.op("Unsqueeze", graph.op("Transpose", rows, perm=[1, 0]), integers(0), name="output")
