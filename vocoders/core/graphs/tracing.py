"""From a network to an ONNX graph: declared inputs and axes, traced by PyTorch, compared with the network."""

import io
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vocoders.core.errors import CheckpointError
from vocoders.core.graphs.agreement import relative_error
from vocoders.core.graphs.session import OPSET, import_onnx

__all__ = ["GraphPlan", "Port", "compare", "trace"]

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Port:
    """An input or an output of a graph.

    Attributes:
        name: its name.
        axes: name of each axis that is free, or the size of one that is fixed.
        about: unit and meaning, in a line.
        drawn: ``normal`` or ``uniform`` if it is noise; empty otherwise.
        dtype: NumPy's name of its type.
    """

    name: str
    axes: tuple[str | int, ...]
    about: str
    drawn: str = ""
    dtype: str = "float32"

    @property
    def free(self) -> dict[int, str]:
        """Names of the free axes by number."""
        return {index: axis for index, axis in enumerate(self.axes) if isinstance(axis, str)}

    def to_dict(self) -> dict[str, Any]:
        """Return the entry in the metadata."""
        entry = {"name": self.name, "type": self.dtype, "shape": list(self.axes), "about": self.about}
        return entry | ({"drawn": self.drawn} if self.drawn else {})


@dataclass(frozen=True)
class GraphPlan:
    """A graph to be made, and how to see that it is right.

    Attributes:
        name: name of the file, without its ending.
        module: takes the inputs in their order, and gives the outputs; written so that it can be traced.
        reference: does the same, by the model's own code.
        inputs: the inputs.
        outputs: the outputs.
        example: inputs of two items, with which the module is traced; axes that are free need different sizes.
        trials: inputs of other lengths and batches, with which the graph is compared; the first is the test vector.
        about: what the graph computes, in a line.
        example_name: the example that runs an export with this as its first graph.
        assemble: makes the graph instead of :func:`trace`.
        play: for a step graph: runs many steps and returns the relative error; ``trials`` are then not used.
        vector: arrays of the test vector; ``None``: the first trial and its outputs.
        facts: further entries in the metadata.
    """

    name: str
    module: nn.Module
    reference: Callable[..., Tensor | Sequence[Tensor]]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    example: dict[str, Tensor]
    trials: tuple[dict[str, Tensor], ...]
    about: str = ""
    example_name: str = "audio"
    assemble: Callable[[], bytes] | None = None
    play: Callable[[Callable[[Arrays], Sequence[np.ndarray]]], float] | None = None
    vector: Arrays | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """Name of the file."""
        return f"{self.name}.onnx"

    def describe(self) -> dict[str, Any]:
        """Return the entry in the metadata."""
        return {
            "file": self.file,
            "about": self.about,
            "inputs": [port.to_dict() for port in self.inputs],
            "outputs": [port.to_dict() for port in self.outputs],
            **self.facts,
        }

    def build(self) -> bytes:
        """Return the graph; the errors are those of :func:`trace`."""
        return trace(self) if self.assemble is None else self.assemble()

    def test_vector(self) -> Arrays:
        """Return the arrays of the test vector, by name."""
        if self.vector is not None:
            return self.vector
        inputs = self.trials[0]
        outputs = zip((port.name for port in self.outputs), self.expected(inputs), strict=True)
        return {name: tensor.numpy() for name, tensor in inputs.items()} | dict(outputs)

    def expected(self, inputs: Mapping[str, Tensor]) -> list[np.ndarray]:
        """Return the outputs of the model's own code."""
        with torch.no_grad():
            found = self.reference(*(inputs[port.name] for port in self.inputs))
        return [tensor.numpy() for tensor in ([found] if isinstance(found, Tensor) else found)]


def trace(plan: GraphPlan) -> bytes:
    """Return the graph of a plan.

    Raises:
        CheckpointError: if PyTorch cannot export the network.
        MissingExtraError: if onnx is not installed.
    """
    import_onnx()
    axes = {port.name: port.free for port in (*plan.inputs, *plan.outputs) if port.free}
    content = io.BytesIO()
    logger = logging.getLogger("torch.onnx")
    level, logger.level = logger.level, logging.ERROR
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # Checks of shapes in Python are constants of the trace, which trials of other shapes then prove right.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                plan.module.eval(),
                tuple(plan.example[port.name] for port in plan.inputs),
                content,  # pyright: ignore[reportArgumentType]  (the stub knows paths alone)
                opset_version=OPSET,
                dynamo=False,
                input_names=[port.name for port in plan.inputs],
                output_names=[port.name for port in plan.outputs],
                dynamic_axes=axes,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise CheckpointError(f"PyTorch cannot export '{plan.name}': {str(error).splitlines()[0]}") from None
    finally:
        logger.level = level
    return content.getvalue()


def compare(plan: GraphPlan, run: Callable[[Arrays], Sequence[np.ndarray]]) -> dict[str, float]:
    """Return the relative error of every trial, by its shape.

    Args:
        plan: the graph.
        run: computes the outputs of a graph from its inputs.
    """
    if plan.play is not None:
        return {plan.name: plan.play(run)}
    errors = {}
    for trial in plan.trials:
        found = run({port.name: trial[port.name].numpy() for port in plan.inputs})
        wanted = plan.expected(trial)
        shape = tuple(trial[plan.inputs[0].name].shape)
        errors[f"{plan.name} for {plan.inputs[0].name} {shape}"] = max(
            relative_error(np.asarray(output), expected) for output, expected in zip(found, wanted, strict=True)
        )
    return errors
