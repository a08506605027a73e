"""Causal convolutions and activations as parts of a step graph, for networks that start in rest.

Signals are (1, C, T), as in PyTorch. The states of a graph are zero at the start of a stream, so each contains the
difference of a past from the constant that it is in rest.
"""

from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from effects.models.activations import FAST_TANH, Activation
from effects.models.histories import context_of
from effects.runtimes.onnx.graph import Graph
from effects.runtimes.onnx.parts import END, integers, weight

__all__ = ["Convolutions", "add_activation"]


class Convolutions:
    """Writes causal convolutions, whose pasts are states.

    Args:
        graph: the graph.
        rest: past (1, C, context) of each convolution in rest, by its name.
    """

    def __init__(self, graph: Graph, rest: Mapping[str, Tensor]) -> None:
        self.graph, self._rest = graph, rest
        self.count = graph.op("Shape", "audio", start=2, end=3)

    def add(self, layer: nn.Conv1d, x: str, name: str = "") -> str:
        """Return a convolution; ``name`` is needed if it has a past."""
        graph, context = self.graph, context_of(layer)
        if context:
            rest = weight(self._rest[name][..., :1])
            state = graph.state(name, 1, layer.in_channels, context)
            x = graph.op("Concat", graph.op("Add", state.input, rest), x, axis=2)
            latest = graph.op("Slice", x, self.count, integers(END), integers(2))
            graph.op("Sub", latest, rest, name=state.output)
        bias = [] if layer.bias is None else [weight(layer.bias)]
        return graph.op("Conv", x, weight(layer.weight), *bias, dilations=list(layer.dilation), group=layer.groups)


def add_activation(graph: Graph, activation: Activation, x: str) -> str:
    """Return f(x)."""
    if activation.name in _SIMPLE:
        return graph.op(_SIMPLE[activation.name], x)
    if activation.name == "hard_tanh":
        return graph.op("Clip", x, np.float32(-1), np.float32(1))
    if activation.name == "silu":
        return graph.op("Mul", x, graph.op("Sigmoid", x))
    if activation.name == "leaky_relu":
        return graph.op("PRelu", x, np.array(activation.slopes, np.float32)[:, None])
    if activation.name == "fast_tanh":
        return _add_fast_tanh(graph, x)
    (low, high), (below, above) = (np.array(pair, np.float32) for pair in (activation.bounds, activation.outer_slopes))
    under = graph.op("Mul", graph.op("Relu", graph.op("Sub", low, x)), below)
    over = graph.op("Mul", graph.op("Relu", graph.op("Sub", x, high)), above)
    return graph.op("Add", graph.op("Sub", graph.op("Clip", x, low, high), under), over)


_SIMPLE = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid", "hard_swish": "HardSwish", "softsign": "Softsign"}


def _add_fast_tanh(graph: Graph, x: str) -> str:
    p, q, r, s, u = np.array(FAST_TANH, np.float32)
    size, square = graph.op("Abs", x), graph.op("Mul", x, x)
    even = graph.op("Mul", graph.op("Add", graph.op("Mul", size, r), q), square)
    above = graph.op("Mul", x, graph.op("Add", graph.op("Add", graph.op("Mul", size, p), p), even))
    bent = graph.op("Abs", graph.op("Add", x, graph.op("Mul", graph.op("Mul", x, size), u)))
    below = graph.op("Add", graph.op("Mul", graph.op("Add", square, s), bent), s)
    return graph.op("Div", above, below)
