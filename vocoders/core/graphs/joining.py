"""Larger graphs from traced ones: in sequence, in a loop, or one of several; equal weights are stored once."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vocoders.core.graphs.session import OPSET, import_onnx
from vocoders.core.graphs.tracing import Port
from vocoders.version import __version__

__all__ = ["JoinedGraph"]

_IR_VERSION = 9


class JoinedGraph:
    """A graph under construction from parts."""

    def __init__(self) -> None:
        self._onnx = import_onnx()
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}
        self._count = 0

    def constant(self, value: Any, dtype: str = "float32") -> str:
        """Return the name of a constant."""
        return self._weight(self._onnx.numpy_helper.from_array(np.asarray(value, dtype)))

    def op(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Add a node with one output, and return its name."""
        name = name or self._name(kind.lower())
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def part(self, content: bytes, inputs: Mapping[str, str]) -> list[str]:
        """Add the nodes of a traced graph, and return the names of its outputs.

        Args:
            content: the graph.
            inputs: name in this graph for each of its inputs.
        """
        graph = self._onnx.load_from_string(content).graph
        prefix = self._name("part")
        names = {item.name: self._weight(item) for item in graph.initializer} | dict(inputs)
        for node in graph.node:
            if node.op_type == "Identity":  # a weight equal to another one
                names[node.output[0]] = names[node.input[0]]
            else:
                self._nodes.append(self._renamed(node, names, prefix))
        return [names.get(item.name, f"{prefix}/{item.name}") for item in graph.output]

    def loop(self, count: int, states: Sequence[str], write: Callable[..., Sequence[str]]) -> list[str]:
        """Repeat nodes, and return the names of the last states.

        Args:
            count: how often.
            states: names of float32 tensors that change.
            write: adds the nodes; takes the names of the number of the round and of the states, returns those after it.
        """
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        outside, self._nodes = self._nodes, []
        index, condition = self._name("round"), self._name("on")
        before = [self._name("state") for _ in states]
        after = write(index, *before)
        going = self.op("Identity", condition)
        nodes, self._nodes = self._nodes, outside
        first = [helper.make_tensor_value_info(index, kinds.INT64, [])]
        first.append(helper.make_tensor_value_info(condition, kinds.BOOL, []))
        inputs = first + [helper.make_tensor_value_info(name, kinds.FLOAT, None) for name in before]
        outputs = [helper.make_tensor_value_info(going, kinds.BOOL, [])]
        outputs += [helper.make_tensor_value_info(name, kinds.FLOAT, None) for name in after]
        body = helper.make_graph(nodes, self._name("body"), inputs, outputs)
        results = [self._name("last") for _ in states]
        given = [self.constant(count, "int64"), self.constant(True, "bool"), *states]
        self._nodes.append(helper.make_node("Loop", given, results, body=body))
        return results

    def choose(self, condition: str, outputs: Sequence[Port], *branches: Callable[[], Sequence[str]]) -> list[str]:
        """Add two branches of which one is computed, and return the names of their outputs.

        Args:
            condition: name of a truth value.
            outputs: what both give out.
            branches: add the nodes if the condition is true, and if it is not, and return the names of the outputs.
        """
        helper, graphs = self._onnx.helper, []
        for write in branches:
            outside, self._nodes = self._nodes, []
            # A branch must make all that it gives out.
            names = [self.op("Identity", name) for name in write()]
            nodes, self._nodes = self._nodes, outside
            infos = [self._info(port, name) for port, name in zip(outputs, names, strict=True)]
            graphs.append(helper.make_graph(nodes, self._name("branch"), [], infos))
        results = [self._name("chosen") for _ in outputs]
        then, other = graphs
        self._nodes.append(helper.make_node("If", [condition], results, then_branch=then, else_branch=other))
        return results

    def finish(self, name: str, inputs: Sequence[Port], outputs: Mapping[Port, str]) -> bytes:
        """Return the graph, checked.

        Args:
            name: name of the graph.
            inputs: its inputs.
            outputs: name of the tensor for each output.
        """
        helper = self._onnx.helper
        for port, made in outputs.items():
            self.op("Identity", made, name=port.name)
        infos = [[self._info(port) for port in ports] for ports in (inputs, outputs)]
        graph = helper.make_graph(self._nodes, name, *infos, list(self._weights.values()))
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        model.producer_name, model.producer_version = "ondes", __version__
        self._onnx.checker.check_model(model)
        return model.SerializeToString()

    def _info(self, port: Port, name: str | None = None) -> Any:
        helper = self._onnx.helper
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(port.dtype))
        return helper.make_tensor_value_info(name or port.name, kind, list(port.axes))

    def _renamed(self, node: Any, names: dict[str, str], prefix: str) -> Any:
        """Return a node with the names of this graph; ``names`` receives those of its outputs."""
        node.input[:] = [names.get(name, name) for name in node.input]
        for name in node.output:
            if name:
                names[name] = f"{prefix}/{name}"
        node.output[:] = [names.get(name, name) for name in node.output]
        if node.name:
            node.name = f"{prefix}/{node.name}"
        for attribute in node.attribute:
            if attribute.type == self._onnx.AttributeProto.GRAPH:
                self._rename_body(attribute.g, dict(names), prefix)
        return node

    def _rename_body(self, graph: Any, names: dict[str, str], prefix: str) -> None:
        for item in (*graph.input, *graph.initializer):
            names[item.name] = f"{prefix}/{item.name}"
            item.name = names[item.name]
        for node in graph.node:
            self._renamed(node, names, prefix)
        for item in graph.output:
            item.name = names.get(item.name, item.name)

    def _weight(self, tensor: Any) -> str:
        """Return the name under which a tensor is stored."""
        plain = self._onnx.numpy_helper.to_array(tensor)
        key = hashlib.sha256(f"{plain.dtype}{plain.shape}".encode() + plain.tobytes()).hexdigest()[:16]
        name = f"weight.{key}"
        if name not in self._weights:
            tensor.name = name
            self._weights[name] = tensor
        return name

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}.{self._count}"
