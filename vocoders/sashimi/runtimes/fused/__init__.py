"""Stepping in one compiled loop: the layout of its memory, the packing of a model, the kernels, the loop."""
