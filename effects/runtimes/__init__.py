"""Other ways to compute what an effect's ``forward`` gives: streams in compiled code, and exports for other programs.

A model names the class of its stream (``tcn``, ``recurrent``, ``s4``), and no model imports a runtime. An export
(``onnx``, ``rtneural``) is a folder with a description (``metadata.json``), a test vector (``test_vector.npz``: input,
knobs and the output that they must give) and the model itself; it appears only after it has been run and has given that
output.
"""
