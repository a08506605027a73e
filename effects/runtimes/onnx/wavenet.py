"""The step graphs of WaveNets, ConvNets and linear filters."""

import numpy as np
import torch
from torch import nn

from effects.models.convnet import ConvNet
from effects.models.linear import Linear
from effects.models.wavenet import WaveNet
from effects.models.wavenet_network import Array, Layer, WaveNetNetwork
from effects.runtimes.onnx.convolutions import Convolutions, add_activation
from effects.runtimes.onnx.graph import Graph
from effects.runtimes.onnx.parts import integers

__all__ = ["build_convnet", "build_linear", "build_wavenet"]


def build_wavenet(model: WaveNet, graph: Graph, max_block: int) -> None:
    """Write a WaveNet to ``graph``; blocks of any length are possible, ``max_block`` is not used."""
    convolutions = Convolutions(graph, model.initial_state(1, 1))
    condition = "audio"
    if graph.knobs is not None:
        shape = graph.op("Concat", integers(1, len(model.knobs)), convolutions.count, axis=0)
        still = graph.op("Expand", graph.op("Unsqueeze", graph.knobs, integers(2)), shape)
        condition = graph.op("Concat", "audio", still, axis=1)
    for index in reversed(range(len(model.conditions))):
        condition = _Writer(convolutions, condition).add(model.conditions[index], f"condition.{index}.")
    output = _Writer(convolutions, condition).add(model.network, "")
    graph.op("Identity", output, name="output")


class _Writer:
    """Writes a network with its condition."""

    def __init__(self, convolutions: Convolutions, condition: str) -> None:
        self._convolutions, self._graph, self._condition = convolutions, convolutions.graph, condition

    def add(self, network: WaveNetNetwork, name: str) -> str:
        """Return the outputs of a network; ``name`` is the prefix of its states."""
        x, head, arrays = "audio", None, list(network.arrays)
        for index, array in enumerate(arrays):
            x, head = self._add_array(array, x, head, f"{name}arrays.{index}", index + 1 == len(arrays))
        assert head is not None
        y = self._graph.op("Mul", head, np.float32(network.head_scale))
        if network.post_head is None:
            return y
        for index, layer in enumerate(network.post_head.layers):
            activated = add_activation(self._graph, network.post_head.activation, y)
            y = self._convolutions.add(layer, activated, f"{name}post_head.{index}")
        return y

    def _add_array(self, array: Array, x: str, head: str | None, name: str, is_last: bool) -> tuple[str, str]:
        x, layers = self._convolutions.add(array.rechannel, x), list(array.layers)
        for index, layer in enumerate(layers):
            is_needed = not (is_last and index + 1 == len(layers))
            x, skip = self._add_layer(layer, x, f"{name}.layers.{index}", is_needed)
            head = skip if head is None else self._graph.op("Add", head, skip)
        assert head is not None
        return x, self._convolutions.add(array.head, head, f"{name}.head")

    def _add_layer(self, layer: Layer, x: str, name: str, is_needed: bool) -> tuple[str, str]:
        """Return the residual path, if it is needed, and what is added to the input of the head."""
        graph, add = self._graph, self._convolutions.add
        convolved = self._film(layer, "conv_output", add(layer.conv, self._film(layer, "conv_input", x), name))
        mixed = add(layer.mixin, self._film(layer, "mixin_input", self._condition))
        z = graph.op("Add", convolved, self._film(layer, "mixin_output", mixed))
        a = self._film(layer, "activation_output", self._activate(layer, self._film(layer, "activation_input", z)))
        skip = a if layer.skip is None else self._film(layer, "skip_output", add(layer.skip, a))
        if layer.residual is not None and is_needed:
            x = graph.op("Add", x, self._film(layer, "residual_output", add(layer.residual, a)))
        return x, skip

    def _activate(self, layer: Layer, z: str) -> str:
        graph, shape = self._graph, layer.shape
        if shape.gating == "none":
            return add_activation(graph, shape.activation, z)
        first, second = graph.ops("Split", z, integers(layer.width, layer.width), names=2, axis=1)
        activated, gate = add_activation(graph, shape.activation, first), add_activation(graph, shape.gate, second)
        if shape.gating == "gated":
            return graph.op("Mul", gate, activated)
        return graph.op("Add", first, graph.op("Mul", gate, graph.op("Sub", activated, first)))

    def _film(self, layer: Layer, place: str, x: str) -> str:
        graph, film = self._graph, layer.film_at(place)
        if film is None:
            return x
        values, channels = self._convolutions.add(film.projection, self._condition), film.channels
        if film.projection.out_channels == channels:
            return graph.op("Mul", x, values)
        scale, shift = graph.ops("Split", values, integers(channels, channels), names=2, axis=1)
        return graph.op("Add", graph.op("Mul", x, scale), shift)


def build_convnet(model: ConvNet, graph: Graph, max_block: int) -> None:
    """Write a ConvNet to ``graph``, with norms folded into the convolutions."""
    convolutions, x = Convolutions(graph, model.initial_state(1, 1)), "audio"
    for index, name in enumerate(model.contexts):
        x = convolutions.add(_with(model.convolutions[index], *model.folded(index)), x, name)
        x = add_activation(graph, model.config.activation, x)
    graph.op("Identity", convolutions.add(model.head, x), name="output")


def build_linear(model: Linear, graph: Graph, max_block: int) -> None:
    """Write a linear filter to ``graph``."""
    layer = _with(nn.Conv1d(1, 1, model.config.taps), model.response.flip(0)[None, None], model.offset)
    convolutions = Convolutions(graph, model.initial_state(1, 1))
    graph.op("Identity", convolutions.add(layer, "audio", "past"), name="output")


def _with(like: nn.Conv1d, kernel: torch.Tensor, bias: torch.Tensor | None) -> nn.Conv1d:
    """Return a convolution with other weights."""
    (taps,), (dilation,) = like.kernel_size, like.dilation
    layer = nn.Conv1d(like.in_channels, like.out_channels, taps, dilation=dilation, bias=bias is not None)
    layer.weight = nn.Parameter(kernel)
    if bias is not None:
        layer.bias = nn.Parameter(bias)
    return layer
