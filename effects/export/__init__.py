"""Effects for other programs: ONNX step graphs, and layer lists for RTNeural.

Each export is a folder with a description (``metadata.json``), a test vector (``test_vector.npz``: input, knobs and the
output that they must give) and the model itself; it appears only after it has been run and has given that output.
"""

from effects.export.onnx import export_onnx
from effects.export.onnx_stream import OnnxStream
from effects.export.rtneural import export_rtneural
from effects.export.rtneural_reader import RTNeuralModel

__all__ = ["OnnxStream", "RTNeuralModel", "export_onnx", "export_rtneural"]
