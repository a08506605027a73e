"""ONNX Runtime and OpenVINO as runtimes: a graph from the cache, tensors in, a tensor out."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vocoders.core.errors import CheckpointError, MissingExtraError
from vocoders.core.graphs.session import import_onnxruntime, open_session
from vocoders.core.graphs.tracing import GraphPlan
from vocoders.runtimes.cache import cached_graph, digest_of, made_folder

__all__ = ["import_runtime", "open_graph"]


def import_runtime(name: str) -> Any:
    """Return the module of a runtime, ``onnx`` or ``openvino``.

    Raises:
        ConfigError: if it is too old.
        MissingExtraError: if it is not installed.
    """
    if name == "onnx":
        return import_onnxruntime()
    try:
        import openvino  # pyright: ignore[reportMissingImports]  (an extra)
    except ModuleNotFoundError:
        raise MissingExtraError("openvino", "openvino", "runtime openvino") from None
    return openvino


def open_graph(name: str, model: Any, plan: GraphPlan, threads: int) -> Callable[..., Tensor]:
    """Return code that computes a graph of a model in a runtime.

    Raises:
        CheckpointError: if the runtime cannot load the graph.
        ConfigError: if it is too old.
        MissingExtraError: if it is not installed.
    """
    return (_open_onnx if name == "onnx" else _open_openvino)(model, plan, threads)


def _open_onnx(model: Any, plan: GraphPlan, threads: int) -> Callable[..., Tensor]:
    version = import_runtime("onnx").__version__
    session = open_session(_graph(model, plan, f"onnxruntime {version}"), threads)
    names = [port.name for port in plan.inputs]

    def compute(*arguments: Tensor) -> Tensor:
        inputs = {name: tensor.numpy() for name, tensor in zip(names, arguments, strict=True)}
        return torch.from_numpy(session.run(None, inputs)[0])

    return compute


def _open_openvino(model: Any, plan: GraphPlan, threads: int) -> Callable[..., Tensor]:
    openvino = import_runtime("openvino")
    graph = _graph(model, plan, f"openvino {openvino.__version__}")
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    if (folder := made_folder("openvino")) is not None:
        options["CACHE_DIR"] = str(folder)
    try:
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(io.BytesIO(graph)), "CPU", options)
    except Exception as error:  # the runtime's errors have no common base
        raise CheckpointError(f"OpenVINO cannot load the graph: {str(error).splitlines()[0]}") from None
    request = compiled.create_infer_request()
    names = [port.name for port in plan.inputs]

    def compute(*arguments: Tensor) -> Tensor:
        inputs = {name: tensor.numpy() for name, tensor in zip(names, arguments, strict=True)}
        return torch.from_numpy(np.array(request.infer(inputs)[0]))

    return compute


def _graph(model: Any, plan: GraphPlan, version: str) -> bytes:
    return cached_graph(f"{model.family}-{plan.name}-{digest_of(model, plan.name, version)}", plan.build)
