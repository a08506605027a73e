"""Wavehax in compiled code: the image network in loops that numba compiles, everything else in PyTorch."""

from vocoders.wavehax.compiled.network import open_compiled

__all__ = ["open_compiled"]
