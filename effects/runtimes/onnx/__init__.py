"""Effects as ONNX step graphs: one file for each family, the export, and the stream in ONNX Runtime."""

from effects.runtimes.onnx.export import export_onnx
from effects.runtimes.onnx.stream import OnnxStream

__all__ = ["OnnxStream", "export_onnx"]
