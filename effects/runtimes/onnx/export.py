"""Export to ONNX: a graph from one block and the states to one block and the next states."""

import copy
import itertools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from effects.models import EffectModel
from effects.runtimes.bundle import TestVector, describe, make_test_vector, verify
from effects.runtimes.cpp.sources import SHARED_SOURCES, copy_sources, write_description, write_lines
from effects.runtimes.onnx.graph import Graph, StateTensor
from effects.runtimes.onnx.stream import StepRunner
from vocoders.core.atomic import atomic_folder
from vocoders.core.errors import ConfigError
from vocoders.core.graphs.agreement import write_metadata
from vocoders.core.graphs.session import OPSET
from vocoders.core.plugins import import_place

__all__ = ["DEFAULT_MAX_BLOCK", "FILES", "GRAPH_FILE", "export_onnx"]

_logger = logging.getLogger(__name__)

GRAPH_FILE = "step.onnx"
DEFAULT_MAX_BLOCK = 4096

_SOURCES = {"effect.hpp": "onnx_effect.hpp"} | {name: name for name in SHARED_SOURCES}
#: The files of an export besides its description and test vector.
FILES = (GRAPH_FILE, "description.hpp", "states.hpp", *_SOURCES)

# ONNX Runtime's names of types that it calls otherwise than NumPy.
_ELEMENT_TYPES = {"float32": "float", "float64": "double"}

# Block sizes of the verification, in turn.
_TRIED = (1, 64, 7, 333, 256, 2048, 64)


def export_onnx(
    model: EffectModel,
    folder: str | Path,
    settings: Mapping[str, Any] | None = None,
    freeze: bool = False,
    max_block: int = DEFAULT_MAX_BLOCK,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Export an effect as an ONNX step graph, and verify it in ONNX Runtime.

    The inputs of the graph are ``audio`` (1, C, samples), ``knobs`` (1, K), normalised and constant over the block, and
    every state; the outputs are ``output`` and every state for the next call. All states are zero at the start.
    Beside the graph lie a C++ class that plays it, and an example.

    Args:
        model: the effect.
        folder: folder to write.
        settings: knobs of the test vector, and defaults in the export.
        freeze: fold the knobs into the weights; the graph has no input ``knobs``.
        max_block: largest number of samples in a call, for graphs with ring buffers.
        overwrite: replace an existing folder.

    Returns:
        The metadata.

    Raises:
        CheckpointError: if the output of the graph differs from that of the model.
        ConfigError: for unknown knobs, or a family without a graph.
        DataError: if the folder exists, or cannot be written.
        MissingExtraError: if onnx or onnxruntime is not installed.
    """
    if (place := model.onnx_graph) is None:
        raise ConfigError(f"effects of family '{model.family}' have no ONNX graph; play it with 'ondes effect'")
    if max_block < 1:
        raise ConfigError(f"largest block of {max_block} samples; expected at least 1")
    resolved = model.knobs.resolve(settings)
    graph, states, largest = _build(model, place, resolved, freeze, max_block)
    # Long enough for every ring to wrap around.
    vector = make_test_vector(model, resolved, least=max(sum(state.shape[0] for state in states if state.in_place), 1))
    content = graph.SerializeToString()
    outputs = {
        how: _play(StepRunner(content, states, how == "in place"), vector, largest, model.block_length)
        for how in ("in place", "with copies")
    }
    verification = verify(vector, outputs)
    metadata = describe(model, "onnx", resolved, freeze, verification) | {
        "file": GRAPH_FILE,
        "files": list(FILES),
        "opset": OPSET,
        "block": {"multiple_of": model.block_length, "largest": largest},
        "states": [asdict(state) | {"input": state.input, "output": state.output} for state in states],
    }
    with atomic_folder(folder, overwrite) as temporary:
        (temporary / GRAPH_FILE).write_bytes(content)
        copy_sources(temporary, _SOURCES)
        write_description(temporary, model, resolved, freeze, largest)
        write_lines(temporary / "states.hpp", _list_states(states))
        vector.save(temporary)
        write_metadata(temporary, metadata)
    _logger.debug("%s: differs from the model by %.1e of the peak", folder, verification.max_relative_error)
    return metadata


def _build(
    model: EffectModel, place: str, settings: Mapping[str, float], freeze: bool, max_block: int
) -> tuple[Any, list[StateTensor], int | None]:
    """Return the graph (ModelProto), its states, and the largest block; ``None``: no limit."""
    still = copy.deepcopy(model).cpu().float().eval()
    knobs = model.knobs.normalize(model.knobs.values(settings)).float()
    graph = Graph(model.config.audio_channels, len(model.knobs), knobs.numpy() if freeze else None)
    with torch.no_grad():
        import_place(place, f"the ONNX graph of family '{model.family}'")(still, graph, max_block)
    limited = any(state.in_place for state in graph.states)
    return graph.model(model.family), graph.states, max_block if limited else None


def _list_states(states: list[StateTensor]) -> Iterator[str]:
    """Yield the lines of ``states.hpp``."""
    yield "// Written by `ondes export`: what step.onnx passes from call to call; zeros at the start."
    yield "#pragma once"
    yield ""
    yield "#include <onnxruntime_c_api.h>"
    yield ""
    yield "#include <cstdint>"
    yield "#include <vector>"
    yield ""
    yield "struct State {"
    yield "  const char *input, *output;"
    yield "  ONNXTensorElementDataType type;"
    yield "  std::size_t element_bytes;"
    yield "  std::vector<std::int64_t> shape;"
    yield "  bool in_place;  // input and output may share memory"
    yield "};"
    yield "inline const std::vector<State>& states() {"
    yield "  static const std::vector<State> all = {"
    for state in states:
        kind = _ELEMENT_TYPES.get(state.dtype, state.dtype).upper()
        shape, bytes_each = ", ".join(map(str, state.shape)), np.dtype(state.dtype).itemsize
        names = f'"{state.input}", "{state.output}"'
        in_place = "true" if state.in_place else "false"
        yield f"      {{{names}, ONNX_TENSOR_ELEMENT_DATA_TYPE_{kind}, {bytes_each}, {{{shape}}}, {in_place}}},"
    yield "  };"
    yield "  return all;"
    yield "}"


def _play(runner: StepRunner, vector: TestVector, largest: int | None, multiple: int) -> np.ndarray:
    """Return the output of a graph for the test vector, in blocks of many sizes."""
    runner.set_knobs(vector.knobs)
    sizes = itertools.cycle(-(-min(size, largest or size) // multiple) * multiple for size in _TRIED)
    blocks, start = [], 0
    while start < vector.input.shape[-1]:
        block = vector.input[None, :, start : start + next(sizes)]
        blocks.append(runner.run(block)[0])
        start += block.shape[-1]
    return np.concatenate(blocks, axis=-1)
