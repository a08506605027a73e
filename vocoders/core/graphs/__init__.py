"""ONNX graphs: traced from networks, run by a runtime, and compared with what they were made from."""
