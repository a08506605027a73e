"""Structured state-space layers (S4, S4D): long convolutions that are also recurrences.

The continuous system of every feature is x' = A x + B u, y = Re(C x) + D u with N complex states in conjugate pairs, of
which N/2 are stored. A is diagonal (S4D, arXiv 2206.11893) or diagonal minus rank one (DPLR, arXiv 2111.00396, in the
Hurwitz form of SaShiMi, arXiv 2202.09729, which cannot become unstable).

Complex parameters are stored as real tensors with a trailing axis of two (real, imaginary), so that ``state_dict``
contains real tensors alone, and optimisers, averaging and data parallelism need no special case.
"""

from vocoders.layers.s4.config import S4Config
from vocoders.layers.s4.layer import S4Layer, S4State

__all__ = ["S4Config", "S4Layer", "S4State"]
