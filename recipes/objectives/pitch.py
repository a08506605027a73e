"""F0 and voicing of each frame, learned from a tracker of audio."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from recipes.objectives.objective import Batch, Log, Objective, Update
from vocoders.core.config import Config
from vocoders.frontends.mel_pitch import MelPitch

__all__ = ["PitchObjective", "PitchOptions"]


class PitchOptions(Config):
    """Options of the objective.

    Attributes:
        name: ``pitch``.
        voicing_weight: weight of the cross entropy of voicing; that of F0 has weight 1.
        width: deviation of the target over bins, in bins: a Gaussian, as in CREPE (arXiv 1802.06182).
    """

    name: Literal["pitch"] = "pitch"
    voicing_weight: float = Field(default=2.0, ge=0)
    width: float = Field(default=1.2, gt=0)


class PitchObjective(Objective):
    """Cross entropy of F0 over bins, in frames that are voiced, and of voicing in all frames.

    Args:
        options: see :class:`PitchOptions`.
        generator: the estimator.
    """

    Options = PitchOptions
    kinds = ("pitch",)
    validation_units: ClassVar[Mapping[str, float]] = {"valid/loss": 1.0}

    def __init__(self, options: PitchOptions, generator: MelPitch) -> None:
        super().__init__(options, generator)
        self.positions, self.num_bins = generator.positions, generator.config.num_bins

    def training_step(self, parts: Mapping[str, nn.Module], batch: Batch, step: int, update: Update) -> Log:
        """Train the estimator once; ``batch`` contains ``features`` (B, n_mels, F) and ``f0`` (B, 1, F) in Hz."""
        bins, voicing = self._losses(parts["generator"], batch)
        loss = bins + self.options.voicing_weight * voicing
        gradient = update("generator", loss)
        return {"loss/bins": bins.detach(), "loss/voicing": voicing.detach(), "gradient/generator": gradient}

    def validation_loss(self, generator: nn.Module, batch: Batch) -> tuple[float, int]:
        """Return the loss of a batch times its number of frames, and that number."""
        bins, voicing = self._losses(generator, batch)
        frames = batch["f0"].numel()
        return frames * float((bins + self.options.voicing_weight * voicing).detach()), frames

    def _losses(self, generator: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        logits, f0 = generator(batch["features"]).float(), batch["f0"]
        positions, voiced = self.positions(f0), f0 > 0
        inside = voiced & (positions > 0) & (positions < self.num_bins - 1)
        bins = torch.arange(self.num_bins, device=f0.device)[:, None]
        target = torch.softmax(-0.5 * ((bins - positions) / self.options.width) ** 2, dim=1)
        entropy = -(target * F.log_softmax(logits[:, :-1], dim=1)).sum(dim=1, keepdim=True)
        mean = (entropy * inside).sum() / inside.sum().clamp(min=1)
        return mean, F.binary_cross_entropy_with_logits(logits[:, -1:], voiced.to(logits))
