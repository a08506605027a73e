"""The configuration of a training run, in one YAML file."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

from recipes.data.config import DataConfig
from recipes.families import find_family, kind_of
from recipes.objectives import OBJECTIVES
from recipes.sections import OptimizerConfig, SchedulerConfig, TrainerConfig
from recipes.tasks import TASKS, Task
from vocoders.core.config import Config
from vocoders.core.errors import ConfigError
from vocoders.frontends.front_end import FrontEnd, ModelConfig

__all__ = ["TrainConfig"]


class TrainConfig(Config):
    """A whole training run.

    Attributes:
        family: model family, as in :func:`recipes.families.model_class`.
        model: configuration of the model, validated by the family; ``variant`` names one from which it starts. By
            default an effect has the knobs of its processor.
        data: data directories, segments and batches.
        effect: training pairs, only for effects; see :mod:`recipes.data.effects.config`.
        objective: ``name`` and options of the objective.
        optimizer: optimiser of every part.
        scheduler: learning rate schedule of every part.
        trainer: steps, precision, logging.
    """

    other_names: ClassVar = {
        "family": ("architecture", "arch", "model_type", "model_name"),
        "model": ("generator", "network", "net", "generator_params"),
        "data": ("dataset", "datasets", "dataloader"),
        "objective": ("criterion", "training_objective"),
        "optimizer": ("optim", "optimiser", "adam", "adamw", "generator_optimizer_params"),
        "scheduler": ("lr_scheduler", "lr_schedule", "schedule", "sched", "generator_scheduler_params"),
        "trainer": ("training", "training_args"),
    }

    family: str
    model: dict[str, Any] = {}
    data: DataConfig = DataConfig()
    effect: dict[str, Any] | None = None
    objective: dict[str, Any] = {"name": "gan"}
    optimizer: OptimizerConfig = OptimizerConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    trainer: TrainerConfig = TrainerConfig()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "config", prefix: str = "") -> Self:
        """Validate the whole run, with the sections of its family and its objective."""
        config = super().from_dict(_with_variant(data), source, prefix)
        options, _ = config.task.options, (config.objective_options, config.task.best_metric)
        if config.objective.get("truncate") and config.trainer.accumulate > 1:
            raise ConfigError(
                "objective.truncate updates several times in a batch, which trainer.accumulate would divide; "
                "leave one out"
            )
        # Stored explicitly, so that a stored run does not change with the defaults.
        return config if options is None else config.model_copy(update={"effect": options.to_dict()})

    @cached_property
    def task(self) -> Task:
        """The task of the run, which follows from the family."""
        task = TASKS[kind_of(self.family, self.model)]
        objective = OBJECTIVES.find(str(self.objective.get("name")))
        return task(self.family, self.model, self.effect, self.data, self.trainer, objective)

    @cached_property
    def objective_options(self) -> Config:
        """Typed options of the objective."""
        name = str(self.objective["name"])
        with OBJECTIVES.running(name):
            return self.task.objective.Options.from_dict(self.objective, name, "objective")

    @property
    def generator(self) -> ModelConfig:
        """Typed configuration of the model."""
        return self.task.model

    @property
    def front_end(self) -> FrontEnd:
        """The front end of the model."""
        return self.task.front_end


def _with_variant(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a run whose model section starts from the variant that it names; knobs are those of the data."""
    if not isinstance(data, Mapping) or not isinstance(model := data.get("model"), Mapping) or "variant" not in model:
        return data
    family, name = str(data.get("family")), str(model["variant"])
    variants = find_family(family).variants
    if name not in variants:
        raise ConfigError(f"unknown variant '{name}' of {family}; known variants: {', '.join(variants) or 'none'}")
    values = variants[name].model_dump(mode="json", exclude_defaults=True, exclude={"knobs"})
    return {**data, "model": values | {key: value for key, value in model.items() if key != "variant"}}
