"""The step graph of a recurrent effect, with the LSTM and GRU of ONNX."""

import numpy as np
from torch import Tensor

from effects.models.recurrent import Recurrent
from effects.runtimes.onnx.graph import Graph
from effects.runtimes.onnx.parts import Rows, add_condition, add_head, add_modulations, integers, weight

__all__ = ["build_recurrent"]

# Positions of ONNX's gates among PyTorch's: input, output, forget, cell; update, reset, hidden.
_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}


def build_recurrent(model: Recurrent, graph: Graph, max_block: int) -> None:
    """Write a recurrent effect to ``graph``; blocks of any length are possible, ``max_block`` is not used."""
    config = model.config
    rows = Rows(graph, config.audio_channels)
    x = graph.op("Unsqueeze", rows.audio, integers(1))
    for layer in range(config.num_layers):
        x = _add_layer(graph, model, layer, x)
    x = graph.op("Squeeze", x, integers(1))
    if config.conditioning == "film":
        ((gain, shift),) = add_modulations(graph, add_condition(graph, model.condition), [model.film])
        x = graph.op("Add", graph.op("Mul", x, gain), shift)
    features = graph.op("Gemm", x, weight(model.projection.weight.T), weight(model.projection.bias))
    add_head(graph, model.head, features, rows.audio)


def _add_layer(graph: Graph, model: Recurrent, layer: int, x: str) -> str:
    """Return the outputs (T, 1, H) of a layer."""
    cell, size, cells = model.config.cell, model.config.hidden_size, model.cells
    weights, recurrent, input_bias, recurrent_bias = (
        _gates(getattr(cells, f"{name}_l{layer}"), cell) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    bias: str | np.ndarray = np.concatenate([input_bias, recurrent_bias])[None]
    audio_channels = model.config.audio_channels
    if layer == 0 and model.config.conditioning == "concat" and graph.knobs is not None:
        # Constant knobs act as a bias.
        moved = graph.op("Gemm", graph.knobs, weights[:, audio_channels:].T, input_bias)
        bias = graph.op("Concat", moved, recurrent_bias[None], axis=1)
        weights = weights[:, :audio_channels]
    inputs: list[str | np.ndarray] = [x, weights[None], recurrent[None], bias, ""]
    names = [f"features.{layer}"]
    # States are zero at the start of a stream: they are differences from the state that the model starts with.
    starts, differences = model.initial_state(1, 1) if model.config.stored_start else {}, []
    for name in model.state_names:
        state = graph.state(f"{name}.{layer}", 1, 1, size)
        if name not in starts:
            inputs.append(state.input)
            names.append(state.output)
            continue
        start = weight(starts[name][:, layer : layer + 1])
        inputs.append(graph.op("Add", state.input, start))
        names.append(f"last.{state.name}")
        differences.append((names[-1], start, state.output))
    if cell == "lstm":
        graph.ops("LSTM", *inputs, names=names, hidden_size=size)
    else:
        graph.ops("GRU", *inputs, names=names, hidden_size=size, linear_before_reset=1)
    for last, start, output in differences:
        graph.op("Sub", last, start, name=output)
    return graph.op("Squeeze", names[0], integers(1))


def _gates(tensor: Tensor, cell: str) -> np.ndarray:
    """Return weights (gates * H, ...) with the gates in ONNX's order."""
    parts = np.split(weight(tensor), len(_GATES[cell]))
    return np.concatenate([parts[gate] for gate in _GATES[cell]])
