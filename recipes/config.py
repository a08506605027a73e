"""The configuration of a training run: one YAML file says everything."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field

from recipes.data.config import DataConfig
from recipes.objectives import OBJECTIVES
from vocoders.core.config import Config
from vocoders.core.errors import ConfigError
from vocoders.frontends.f0 import F0Config
from vocoders.frontends.mel import MelConfig
from vocoders.registry import FAMILIES

__all__ = ["OptimizerConfig", "SchedulerConfig", "TrainConfig", "TrainerConfig"]


class OptimizerConfig(Config):
    """AdamW."""

    learning_rate: float = Field(2e-4, gt=0)
    betas: tuple[float, float] = (0.8, 0.9)
    weight_decay: float = Field(0.0, ge=0)
    eps: float = Field(1e-8, gt=0)


class SchedulerConfig(Config):
    """Learning rate as a factor of the step.

    Attributes:
        name: ``cosine`` falls until ``max_steps``, ``exponential`` by ``decay`` every 1000 steps, or ``constant``.
        warmup_steps: linear rise from zero.
        decay: of ``exponential``.
        final: factor at which ``cosine`` ends.
    """

    name: Literal["cosine", "exponential", "constant"] = "cosine"
    warmup_steps: int = Field(0, ge=0)
    decay: float = Field(0.999, gt=0, le=1)
    final: float = Field(0.0, ge=0, le=1)


class TrainerConfig(Config):
    """How long, how precise, how often.

    Attributes:
        max_steps: number of updates.
        seed: of every random number.
        precision: ``no`` (float32), ``bf16`` or ``fp16``.
        max_gradient_norm: total norm at which gradients are clipped; ``None``: no clipping.
        ema_decay: decay of the exponential moving average of the generator; ``None``: no average.
        log_every: steps between log lines.
        valid_every: steps between validations.
        checkpoint_every: steps between checkpoints.
        keep_checkpoints: how many of the latest checkpoints stay.
        valid_clips: validation utterances whose audio and spectrograms are stored.
        num_threads: CPU threads of torch; ``None``: torch's choice.
    """

    max_steps: int = Field(1_000_000, gt=0)
    seed: int = 0
    precision: Literal["no", "bf16", "fp16"] = "no"
    max_gradient_norm: float | None = Field(10.0, gt=0)
    ema_decay: float | None = Field(None, gt=0, lt=1)
    log_every: int = Field(100, gt=0)
    valid_every: int = Field(2000, gt=0)
    checkpoint_every: int = Field(10_000, gt=0)
    keep_checkpoints: int = Field(3, gt=0)
    valid_clips: int = Field(4, ge=0)
    num_threads: int | None = Field(None, gt=0)


class TrainConfig(Config):
    """A whole training run.

    Attributes:
        family: model family, as in :data:`vocoders.registry.FAMILIES`.
        model: configuration of the model, checked by the family.
        data: data directories, segments and batches.
        objective: ``name`` and options of the objective.
        optimizer: of every part.
        scheduler: of every part.
        trainer: steps, precision, logging.
    """

    family: str
    model: dict[str, Any] = {}
    data: DataConfig = DataConfig()
    objective: dict[str, Any] = {"name": "gan"}
    optimizer: OptimizerConfig = OptimizerConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    trainer: TrainerConfig = TrainerConfig()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "config", prefix: str = "") -> Self:
        """Check the whole run, the sections of its family and of its objective included."""
        config = super().from_dict(data, source, prefix)
        _ = config.generator, config.objective_options
        return config

    @cached_property
    def generator(self) -> Config:
        """Typed configuration of the model."""
        if self.family not in FAMILIES:
            raise ConfigError(f"unknown family '{self.family}'; known families: {', '.join(FAMILIES)}")
        return FAMILIES[self.family].model_class.config_class.from_dict(self.model, self.family, "model")

    @cached_property
    def objective_options(self) -> Config:
        """Typed options of the objective."""
        name = self.objective.get("name")
        if name not in OBJECTIVES:
            raise ConfigError(f"unknown objective '{name}'; known objectives: {', '.join(OBJECTIVES)}")
        return OBJECTIVES[name].Options.from_dict(self.objective, name, "objective")

    @property
    def mel(self) -> MelConfig:
        """Mel front end of the model."""
        return self.generator.mel

    @property
    def f0(self) -> F0Config | None:
        """F0 front end of the model, or None if it uses no F0."""
        return getattr(self.generator, "f0", None)
