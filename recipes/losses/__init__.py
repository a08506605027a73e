"""Losses: modules from (prediction, target) to a scalar, and the adversarial criteria."""

from recipes.losses.adversarial import AdversarialLoss, feature_matching_loss
from recipes.losses.loss import Loss
from recipes.losses.modulation import ModulationLoss
from recipes.losses.spectral import (
    LOSSES,
    LossSum,
    MelLoss,
    MultiResolutionSTFTLoss,
    MultiScaleMelLoss,
    TurboMelLoss,
)

__all__ = [
    "LOSSES",
    "AdversarialLoss",
    "Loss",
    "LossSum",
    "MelLoss",
    "ModulationLoss",
    "MultiResolutionSTFTLoss",
    "MultiScaleMelLoss",
    "TurboMelLoss",
    "feature_matching_loss",
]
