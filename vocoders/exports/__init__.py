"""Systems for other programs: folders of ONNX graphs with a description, a test vector and an example."""

from vocoders.exports.onnx import export_onnx

__all__ = ["export_onnx"]
