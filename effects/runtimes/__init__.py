"""Runtimes: streams in compiled code that compute an effect's ``forward``, and exports for other programs.

A model names the class of its stream (``tcn``, ``recurrent``, ``s4``), and no model imports a runtime. An export
(``onnx``, ``rtneural``) is a folder with a description (``metadata.json``), a test vector (``test_vector.npz``: input,
knobs and expected output) and the model itself; it is written only after a run has given the expected output.
"""
