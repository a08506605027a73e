"""Steppers: runtimes that compute the step of a SaShiMi model.

``plain`` uses the model's own step; ``fused`` runs whole blocks of samples in compiled code on a CPU; ``graph`` replays
recorded steps on a GPU. All agree with the plain step up to rounding, and :func:`make_stepper` chooses the fastest one
available. Runtimes import the layers of a model; a model imports no runtime.
"""

from vocoders.sashimi.runtimes.choice import make_stepper
from vocoders.sashimi.runtimes.stepper import Stepper

__all__ = ["Stepper", "make_stepper"]
