"""Denoising diffusion: the network estimates the noise in a waveform at a random level.

Source: DiffWave (arXiv 2009.09761), equation 6; Ho et al. (arXiv 2006.11239), equation 14.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from recipes.objectives.objective import Batch, Log, Objective, Update
from vocoders.core.config import Config
from vocoders.core.counter_noise import counter_normal, counter_uniform
from vocoders.frontends.front_end import ModelConfig

if TYPE_CHECKING:
    from vocoders.sashimi.diffwave.diffusion import DiffusionSchedule

__all__ = ["DiffusionModel", "DiffusionObjective", "DiffusionOptions", "draw_noise"]


class DiffusionOptions(Config):
    """Options of denoising diffusion.

    Attributes:
        name: ``diffusion``.
    """

    name: Literal["diffusion"] = "diffusion"


class DiffusionModel(Protocol):
    """Interface of an estimator of noise, ``forward(x, steps, features)``, for denoising diffusion."""

    @property
    def schedule(self) -> "DiffusionSchedule":
        """Levels of noise."""
        ...

    @property
    def config(self) -> ModelConfig:
        """The configuration; with a mel in its front end, the model takes features."""
        ...


class DiffusionObjective(Objective):
    """Mean square of noise minus estimate, E |e - e_theta(sqrt(a) x + sqrt(1 - a) e, t)|^2, t uniform.

    Args:
        options: none but the name.
        generator: an estimator of noise.
    """

    Options = DiffusionOptions
    kinds = ("vocoder", "generator")
    validation_units: ClassVar[Mapping[str, float]] = {"valid/loss": 1.0}

    def __init__(self, options: DiffusionOptions, generator: DiffusionModel) -> None:
        super().__init__(options, generator)
        self.schedule = generator.schedule
        self.is_conditional = generator.config.front_end.mel is not None

    def training_step(self, parts: Mapping[str, nn.Module], batch: Batch, step: int, update: Update) -> Log:
        """Train the generator once.

        Args as in :meth:`Objective.training_step`; ``batch`` contains ``audio`` (B, 1, T), ``seed`` (B,), and
        ``features`` (B, n_mels, F) for a conditional model.
        """
        loss = self._square_error(parts["generator"], batch).mean()
        return {"loss/diffusion": loss.detach(), "gradient/generator": update("generator", loss)}

    def validation_loss(self, generator: nn.Module, batch: Batch) -> tuple[float, int]:
        """Return the summed squares of a batch and their number; noise and levels come from the seeds of the items."""
        error = self._square_error(generator, batch)
        if "length" in batch:
            exists = torch.arange(error.shape[-1], device=error.device) < batch["length"][:, None, None]
            return float((error * exists).sum().detach()), int(exists.sum())
        return float(error.sum().detach()), error.numel()

    def _square_error(self, generator: nn.Module, batch: Batch) -> Tensor:
        audio = batch["audio"]
        levels, noise = draw_noise(batch["seed"], audio.shape[-1], len(self.schedule))
        noise = noise.to(audio)
        inputs = {"x": self.schedule.diffuse(audio, noise, levels), "steps": levels.to(audio.dtype)}
        if self.is_conditional:
            inputs["features"] = batch["features"]
        return (generator(**inputs) - noise).square()


def draw_noise(seeds: Tensor, length: int, num_steps: int) -> tuple[Tensor, Tensor]:
    """Draw a level in [0, num_steps), int64 (B,), and normal noise (B, 1, length) from the seed of each item."""
    levels = (counter_uniform(seeds, stream=2)[:, 0] * num_steps).long()
    return levels, counter_normal(seeds, length)[:, None]
