"""Steps in one compiled loop: layout of the memory, packing of a model, kernels, loop."""
