"""The same effect as an ONNX graph; a family without such a function is not exported."""

from typing import Any

import numpy as np


def build(model: Any, graph: Any, max_block: int) -> None:
    """Write the model into an :class:`effects.runtimes.onnx.graph.Graph`: states in, states out."""
    last = graph.state("last", 1, model.config.audio_channels, 1)
    heard = graph.op("Concat", last.input, "audio", axis=2)
    before = graph.op("Slice", heard, np.array([0]), np.array([-1]), np.array([2]))
    filtered = graph.op("Add", "audio", graph.op("Mul", before, model.memory.numpy()))
    weight, bias = model.drive.weight.numpy().T, model.drive.bias.numpy()
    gain = graph.op("Exp", graph.op("Add", graph.op("MatMul", graph.knobs, weight), bias))
    graph.op("Tanh", graph.op("Mul", filtered, gain), name="output")
    graph.op("Slice", heard, np.array([-1]), np.array([2**31]), np.array([2]), name=last.output)
