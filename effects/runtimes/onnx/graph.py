"""Build an ONNX graph node by node, with constants stored once, and states as inputs and outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vocoders.core.graphs.session import OPSET, import_onnx
from vocoders.version import __version__

__all__ = ["Graph", "StateTensor"]

_IR_VERSION = 9

# The name of what a node gives out, or a constant.
Input = str | np.ndarray | np.generic


@dataclass(frozen=True)
class StateTensor:
    """A tensor passed from one call to the next; zeros at the start of a stream.

    Attributes:
        name: name without the prefixes of input and output.
        shape: its sizes.
        dtype: NumPy's name of the type.
        in_place: whether input and output may share memory, which saves a copy in each call.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    in_place: bool = False

    @property
    def input(self) -> str:
        """Name of the graph's input."""
        return f"state.{self.name}"

    @property
    def output(self) -> str:
        """Name of the graph's output."""
        return f"next.{self.name}"

    def zeros(self) -> np.ndarray:
        """Return the tensor at the start of a stream."""
        return np.zeros(self.shape, self.dtype)


class Graph:
    """A graph under construction.

    Args:
        audio_channels: C of the input ``audio`` and of ``output``, (1, C, samples).
        num_knobs: K of the input ``knobs`` (1, K).
        frozen: normalised knobs (K,) that replace the input.
    """

    def __init__(self, audio_channels: int, num_knobs: int, frozen: np.ndarray | None = None) -> None:
        self.states: list[StateTensor] = []
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], tuple[str, np.ndarray]] = {}
        self._audio_channels = audio_channels
        self._count = 0
        self._num_knobs = num_knobs
        self._has_knobs = num_knobs > 0 and frozen is None
        self.knobs = "knobs" if self._has_knobs else None
        if frozen is not None and num_knobs:
            self.knobs = self.constant(frozen.astype(np.float32)[None])

    def constant(self, value: np.ndarray | np.generic) -> str:
        """Return the name of a constant."""
        value = np.asarray(value, order="C")
        key = value.dtype.str, value.shape, value.tobytes()
        return self._constants.setdefault(key, (f"constant.{len(self._constants)}", value))[0]

    def op(self, kind: str, *inputs: Input, name: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output; arrays among the inputs become constants."""
        return self.ops(kind, *inputs, names=[name or self._new_name(kind)], **attributes)[0]

    def ops(self, kind: str, *inputs: Input, names: list[str] | int, **attributes: Any) -> list[str]:
        """Add a node with several outputs, or with given names; an empty name is an unused output."""
        names = [self._new_name(kind) for _ in range(names)] if isinstance(names, int) else names
        known = [item if isinstance(item, str) else self.constant(item) for item in inputs]
        # ONNX Runtime before 1.20 makes the names of nodes that it fuses of theirs, and refuses equal ones.
        called = next(name for name in names if name)
        self._nodes.append(import_onnx().helper.make_node(kind, known, names, name=called, **attributes))
        return names

    def body(self, num_inputs: int, write: Callable[..., list[str]]) -> Any:
        """Return the body of a ``Scan`` (GraphProto).

        Args:
            num_inputs: number of inputs.
            write: adds the nodes, which may use outer names; maps names of inputs to names of outputs.
        """
        helper = import_onnx().helper
        outside, self._nodes = self._nodes, []
        inputs = [self._new_name("turn") for _ in range(num_inputs)]
        outputs = write(*inputs)
        nodes, self._nodes = self._nodes, outside
        # Types and shapes are inferred from the inputs.
        infos = [[helper.make_empty_tensor_value_info(name) for name in names] for names in (inputs, outputs)]
        return helper.make_graph(nodes, self._new_name("body"), *infos)

    def state(self, name: str, *shape: int, dtype: str = "float32", in_place: bool = False) -> StateTensor:
        """Add a state; a node must produce its ``output``."""
        self.states.append(StateTensor(name, shape, dtype, in_place))
        return self.states[-1]

    def model(self, name: str) -> Any:
        """Return the complete, checked model (ModelProto)."""
        onnx = import_onnx()
        audio = [1, self._audio_channels, "samples"]
        inputs = [("audio", audio, "float32")]
        if self._has_knobs:
            inputs.append(("knobs", [1, self._num_knobs], "float32"))
        outputs = [("output", audio, "float32")]
        inputs += [(state.input, list(state.shape), state.dtype) for state in self.states]
        outputs += [(state.output, list(state.shape), state.dtype) for state in self.states]
        constants = [onnx.numpy_helper.from_array(value, name) for name, value in self._constants.values()]
        graph = onnx.helper.make_graph(self._nodes, name, _infos(inputs), _infos(outputs), constants)
        opsets = [onnx.helper.make_opsetid("", OPSET)]
        model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        model.producer_name, model.producer_version = "ondes", __version__
        onnx.checker.check_model(model, full_check=True)
        return model

    def _new_name(self, kind: str) -> str:
        self._count += 1
        return f"{kind.lower()}.{self._count}"


def _infos(values: list[tuple[str, list[int | str], str]]) -> list[Any]:
    helper = import_onnx().helper
    kinds = {name: helper.np_dtype_to_tensor_dtype(np.dtype(name)) for name in ("float32", "float64", "int64")}
    return [helper.make_tensor_value_info(name, kinds[dtype], shape) for name, shape, dtype in values]
