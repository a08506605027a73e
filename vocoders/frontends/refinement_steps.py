"""The steps of mel refinement: ordinary ones, and closing ones that were learned (ours, not published)."""

import math
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["CLOSING_STEPS", "RefinementStep", "mirrored", "sharpened"]


@dataclass(frozen=True)
class RefinementStep:
    """One iteration of :class:`~vocoders.frontends.mel_consistency.MelConsistency`.

    Attributes:
        relaxation: factor of the step from a signal to its projection.
        momentum: fraction of the change that is added again.
        updates: multiplicative updates of the magnitudes.
        kernel: weights (3, 2 * reach + 1) of the logarithms of ratios, over neighbouring bands and frames; ``None``:
            each ratio stays as it is.
    """

    relaxation: float
    momentum: float
    updates: int = 1
    kernel: Tensor | None = None

    @classmethod
    def of_halves(cls, relaxation: float, momentum: float, same: list[float], next_band: list[float]) -> Self:
        """Return a step from the weights at distances of 0, 1, ... frames, in the same band and in either neighbour."""
        return cls(relaxation, momentum, kernel=mirrored(torch.tensor([same, next_band])))

    @property
    def reach(self) -> int:
        """Frames on either side on which a ratio depends."""
        return 0 if self.kernel is None else self.kernel.shape[-1] // 2


def mirrored(halves: Tensor) -> Tensor:
    """Return the kernel (3, 2 * reach + 1) of weights (2, reach + 1) of a band and of either neighbour."""
    rows = halves[[1, 0, 1]]
    return torch.cat([rows.flip(1)[:, :-1], rows], dim=1)


def sharpened(ratio: Tensor, step: RefinementStep, largest: float) -> Tensor:
    """Return ratios (B, bands, F) of wanted and present mel, filtered by the kernel of a step, within the limits."""
    if step.kernel is None:
        return ratio
    rows, columns = (size // 2 for size in step.kernel.shape)
    padded = F.pad(torch.log(ratio)[:, None], (columns, columns, rows, rows), "replicate")
    filtered = F.conv2d(padded, step.kernel.to(ratio)[None, None])[:, 0]
    return torch.exp(filtered.clamp(-math.log(largest), math.log(largest)))


# Frames overlap, and so do filters: what an iteration raises in one cell of the mel, its neighbours lower again. So
# these steps go beyond the wanted ratio, the more the faster it changes over frames and bands; only the last holds
# back. Their numbers were learned from 18 clips of speech, with the distance of the mel and a model of PESQ as the loss
# (egs/mini/wavehax/local/closing_steps.py).
CLOSING_STEPS = (
    RefinementStep.of_halves(1.32, 0.91, [1.51, -0.09, -0.09, 0.02], [-0.14, -0.11, 0.00, 0.04]),
    RefinementStep.of_halves(1.35, 0.76, [1.50, -0.19, -0.10, -0.05], [-0.21, 0.01, -0.03, 0.05]),
    RefinementStep.of_halves(1.62, 0.76, [1.84, -0.05, -0.05, -0.09], [-0.16, -0.03, -0.04, 0.01]),
    RefinementStep.of_halves(1.64, 0.68, [1.56, -0.15, -0.01, -0.03], [-0.26, -0.02, -0.04, 0.03]),
    RefinementStep.of_halves(1.59, 0.60, [1.56, -0.19, -0.10, 0.14], [-0.04, -0.04, 0.02, 0.00]),
    RefinementStep.of_halves(1.37, 0.59, [1.28, -0.10, -0.11, 0.00], [-0.10, -0.05, 0.03, 0.02]),
    RefinementStep.of_halves(1.72, 0.86, [1.30, 0.07, -0.12, 0.05], [-0.15, 0.00, -0.03, -0.01]),
    RefinementStep.of_halves(1.40, 0.90, [0.83, 0.11, 0.02, -0.03], [-0.04, 0.05, 0.01, -0.04]),
)
