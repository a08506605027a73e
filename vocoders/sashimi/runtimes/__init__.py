"""Steppers: other ways to compute what a SaShiMi model's own step gives.

``plain`` is that step; ``fused`` runs whole blocks of samples in compiled code on a CPU; ``graph`` replays recorded
steps on a GPU. All give the plain step's numbers up to rounding, and :func:`make_stepper` takes the fastest one that
fits. Runtimes know the layers that a model is made of; a model knows no runtime.
"""

from vocoders.sashimi.runtimes.choice import make_stepper
from vocoders.sashimi.runtimes.stepper import Stepper

__all__ = ["Stepper", "make_stepper"]
