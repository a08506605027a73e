"""Names of the runtimes that compute the networks of models; listing them imports nothing."""

from typing import Literal, get_args

__all__ = ["RUNTIMES", "RuntimeName"]

RuntimeName = Literal["auto", "torch", "compiled", "onnx", "openvino"]
RUNTIMES: tuple[RuntimeName, ...] = get_args(RuntimeName)
