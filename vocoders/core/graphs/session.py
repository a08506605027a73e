"""ONNX and ONNX Runtime as ondes needs them: imported on first use, with one line if something is missing or old."""

import re
from pathlib import Path
from typing import Any

from vocoders.core.errors import CheckpointError, ConfigError, MissingExtraError

__all__ = ["LEAST_RUNTIME", "OPSET", "import_onnx", "import_onnxruntime", "open_session"]

OPSET = 18
# The oldest release that is tested, as in pyproject.toml.
LEAST_RUNTIME = (1, 19)


def import_onnx() -> Any:
    """Return the module ``onnx``.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise MissingExtraError("onnx", "export", "export to ONNX") from None
    return onnx


def import_onnxruntime() -> Any:
    """Return the module ``onnxruntime``.

    Raises:
        ConfigError: if it is too old.
        MissingExtraError: if it is not installed.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise MissingExtraError("onnxruntime", "export", "running an ONNX graph") from None
    found = tuple(int(part) for part in re.findall(r"\d+", onnxruntime.__version__)[:2])
    if found < LEAST_RUNTIME:
        least = ".".join(map(str, LEAST_RUNTIME))
        raise ConfigError(
            f"onnxruntime {onnxruntime.__version__}; expected {least} or later: pip install -U onnxruntime"
        )
    return onnxruntime


def open_session(model: bytes | str | Path, threads: int = 1) -> Any:
    """Open a graph in ONNX Runtime.

    Args:
        model: the graph, as bytes or a file.
        threads: number of threads; 1 is the calling thread alone.

    Raises:
        CheckpointError: if the runtime cannot load the graph.
        ConfigError: if the runtime is too old.
        MissingExtraError: if it is not installed.
    """
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Threads that wait by spinning take the time of other programs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    source = str(model) if isinstance(model, Path) else model
    try:
        return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no common base
        raise CheckpointError(f"ONNX Runtime cannot load the graph: {str(error).splitlines()[0]}") from None
