"""Adversarial criteria on lists of discriminator scores, and feature matching."""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["AdversarialLoss", "feature_matching_loss"]


class AdversarialLoss:
    """Hinge or least-squares adversarial loss, summed or averaged over discriminators.

    Args:
        kind: ``hinge`` or ``mse`` (LSGAN).
        average: divide by the number of discriminators.
    """

    def __init__(self, kind: str = "hinge", average: bool = False) -> None:
        if kind not in ("hinge", "mse"):
            raise ValueError(f"adversarial loss '{kind}', expected 'hinge' or 'mse'")
        self.kind, self.average = kind, average

    def generator(self, fake_scores: Sequence[Tensor]) -> Tensor:
        """Return the loss of the generator for the scores of its own output."""
        if self.kind == "hinge":
            return self._reduce([-score.mean() for score in fake_scores])
        return self._reduce([(1 - score).square().mean() for score in fake_scores])

    def discriminator(self, real_scores: Sequence[Tensor], fake_scores: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the discriminators' losses on real and on generated audio."""
        if self.kind == "hinge":
            real = [torch.relu(1 - score).mean() for score in real_scores]
            fake = [torch.relu(1 + score).mean() for score in fake_scores]
        else:
            real = [(1 - score).square().mean() for score in real_scores]
            fake = [score.square().mean() for score in fake_scores]
        return self._reduce(real), self._reduce(fake)

    def _reduce(self, terms: list[Tensor]) -> Tensor:
        total = torch.stack(terms).sum()
        return total / len(terms) if self.average else total


def feature_matching_loss(
    fake_features: Sequence[Tensor], real_features: Sequence[Tensor], average: bool = False
) -> Tensor:
    """Return the sum (or mean) over feature maps of the mean absolute difference; no gradient to ``real_features``."""
    terms = [(fake - real.detach()).abs().mean() for fake, real in zip(fake_features, real_features, strict=True)]
    total = torch.stack(terms).sum()
    return total / len(terms) if average else total
