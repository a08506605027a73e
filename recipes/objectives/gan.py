"""Adversarial training of a vocoder: reconstruction, feature matching and adversarial losses.

Source: section III of Wavehax (arXiv 2411.06807), which follows UnivNet and HiFi-GAN.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from recipes.discriminators import DiscriminatorUnion
from recipes.losses import AdversarialLoss, LossSum, feature_matching_loss
from recipes.objectives.objective import Batch, Log, Objective, Update, unwrap
from vocoders.core.config import Config

__all__ = ["AdversarialOptions", "GanModel", "GanObjective", "GanOptions"]


class AdversarialOptions(Config):
    """Options of adversarial training; the defaults are those of Wavehax.

    Attributes:
        reconstruction: reconstruction losses by name, each a weight or a mapping of weight and options.
        feature_matching_weight: weight of the feature matching loss.
        adversarial_weight: weight of the adversarial loss of the generator.
        adversarial: ``hinge`` or ``mse``.
        average: average over discriminators and feature maps instead of summing.
        discriminators: discriminators by name, each a mapping of options; none for training by reconstruction alone.
        adversarial_start: first step at which the generator is trained with adversarial losses.
        discriminator_start: first step at which the discriminators are trained.
        discriminators_first: in each step, train the discriminators before the generator instead of after it.
    """

    reconstruction: dict[str, Any] = {"mel": 45.0}
    feature_matching_weight: float = Field(default=2.0, ge=0)
    adversarial_weight: float = Field(default=1.0, ge=0)
    adversarial: Literal["hinge", "mse"] = "hinge"
    average: bool = False
    discriminators: dict[str, dict[str, Any]] = {"mpd": {}, "mrd": {}}
    adversarial_start: int = Field(default=1, ge=0)
    discriminator_start: int = Field(default=0, ge=0)
    discriminators_first: bool = False


class GanOptions(AdversarialOptions):
    """Options of the adversarial objective.

    Attributes:
        name: ``gan``.
    """

    name: Literal["gan"] = "gan"


class GanModel(Protocol):
    """Interface of a generator for adversarial training; ``forward`` returns audio (B, 1, T)."""

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        ...

    def draw_inputs(self, batch: Batch) -> dict[str, Tensor]:
        """Return the arguments of ``forward`` for a training batch."""
        ...


class GanObjective(Objective):
    """Alternating updates of a generator and its discriminators.

    Args:
        options: losses, discriminators and their order.
        generator: a vocoder.
    """

    Options = GanOptions

    def __init__(self, options: AdversarialOptions, generator: GanModel) -> None:
        super().__init__(options, generator)
        self.reconstruction = LossSum(generator.sample_rate, options.reconstruction)
        self.draw_inputs = generator.draw_inputs
        self.adversarial = AdversarialLoss(options.adversarial, options.average)
        chosen = options.discriminators
        self.discriminator = DiscriminatorUnion(chosen, generator.sample_rate) if chosen else None

    def parts(self) -> dict[str, nn.Module]:
        """Return the modules that this objective trains in addition to the generator."""
        return {} if self.discriminator is None else {"discriminator": self.discriminator}

    def training_step(self, parts: Mapping[str, nn.Module], batch: Batch, step: int, update: Update) -> Log:
        """Train both parts once.

        Args as in :meth:`Objective.training_step`; ``batch`` contains ``audio`` (B, 1, T) and the inputs of the
        generator's ``draw_inputs``.
        """
        options = self.options
        generator, discriminator = parts["generator"], parts.get("discriminator")
        real = batch["audio"]
        fake = generator(**self.draw_inputs(batch))
        log: Log = {}
        learner = discriminator if step >= options.discriminator_start else None
        if learner is not None and options.discriminators_first:
            log |= self._train_discriminator(learner, fake.detach(), real, update)
        loss, terms = self.reconstruction(fake, real)
        log |= {f"loss/{name}": term for name, term in terms.items()}
        if discriminator is not None and step >= options.adversarial_start:
            # The bare module: the discriminators get no gradient here, so there is nothing to average.
            adversarial, matching = self._score(unwrap(discriminator), fake, real)
            loss = loss + options.adversarial_weight * adversarial + options.feature_matching_weight * matching
            log |= {"loss/adversarial": adversarial.detach(), "loss/feature_matching": matching.detach()}
        log["loss/generator"] = loss.detach()
        log["gradient/generator"] = update("generator", loss)
        if learner is not None and not options.discriminators_first:
            log |= self._train_discriminator(learner, fake.detach(), real, update)
        return log

    def _score(self, discriminator: nn.Module, fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        with frozen(discriminator):
            fake_scores, fake_features = discriminator(fake)
        with torch.no_grad():
            _, real_features = discriminator(real)
        matching = feature_matching_loss(fake_features, real_features, self.options.average)
        return self.adversarial.generator(fake_scores), matching

    def _train_discriminator(self, discriminator: nn.Module, fake: Tensor, real: Tensor, update: Update) -> Log:
        # One pass for each, as published: one for both rounds gradients otherwise, which Adam enlarges.
        fake_scores, _ = discriminator(fake)
        real_scores, _ = discriminator(real)
        real_loss, fake_loss = self.adversarial.discriminator(real_scores, fake_scores)
        norm = update("discriminator", real_loss + fake_loss)
        return {
            "loss/discriminator_real": real_loss.detach(),
            "loss/discriminator_fake": fake_loss.detach(),
            "gradient/discriminator": norm,
        }


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Block gradients of a module's parameters, but let gradients pass through the module."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
