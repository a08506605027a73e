"""Build the parts of a training run from its configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recipes.checkpoint import load_chosen_checkpoint
from recipes.config import TrainConfig
from recipes.families import make_model
from recipes.objectives import OBJECTIVES, Objective
from recipes.sections import OptimizerConfig
from vocoders.core.config import apply_override
from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.pretrained import PretrainedModel

__all__ = [
    "TrainedGenerator",
    "build_generator",
    "build_objective",
    "build_optimizer",
    "generator_state",
    "restore_generator",
    "start_generator",
]


def build_generator(config: TrainConfig) -> PretrainedModel:
    """Build the model of a training run, freshly initialised."""
    return make_model(config.family, config.generator)


def build_objective(config: TrainConfig, generator: nn.Module) -> Objective:
    """Build the objective of a training run."""
    with OBJECTIVES.running(str(config.objective["name"])):
        return config.task.objective(config.objective_options, generator)


def build_optimizer(config: OptimizerConfig, module: nn.Module) -> torch.optim.Optimizer:
    """Build AdamW for the trainable parameters of ``module``.

    ``rate`` in each parameter group is its learning rate relative to ``config.learning_rate``.
    """
    system_rate = config.system_learning_rate
    systems = set(module.system_parameters()) if isinstance(module, PretrainedModel) else set()
    undecayed = set() if config.decay_biases else _biases_and_norms(module)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {(1.0, config.weight_decay): []}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        if system_rate is not None and name in systems:
            kind = (system_rate / config.learning_rate, 0.0)
        else:
            kind = (1.0, 0.0 if name in undecayed else config.weight_decay)
        groups.setdefault(kind, []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": config.learning_rate * rate, "weight_decay": decay, "rate": rate}
            for (rate, decay), parameters in groups.items()
            if parameters
        ],
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.eps,
        fused=config.fused and not any(parameter.is_complex() for parameter in module.parameters()),
    )


def _biases_and_norms(module: nn.Module) -> set[str]:
    """Return the names of biases and of the parameters of norms."""
    parts = {name: ["", *name.split(".")] for name, _ in module.named_parameters()}
    return {name for name, (*_, owner, leaf) in parts.items() if leaf == "bias" or owner.startswith("norm")}


@dataclass(frozen=True)
class TrainedGenerator:
    """The model of a training run at its current step."""

    model: PretrainedModel
    config: TrainConfig
    step: int


def restore_generator(folder: Path, checkpoint: str | Path = "last", sampling: Sequence[str] = ()) -> TrainedGenerator:
    """Restore the generator of a training run: the moving average if there is one.

    Args:
        folder: the run's folder.
        checkpoint: choice for :func:`~recipes.checkpoint.load_chosen_checkpoint`.
        sampling: changes ``model.sampling.key=value`` of sampling options, on which weights do not depend.

    Raises:
        CheckpointError: if there is no usable checkpoint.
        ConfigError: for any other change, or an invalid one.
    """
    state = load_chosen_checkpoint(folder, checkpoint)
    for change in sampling:
        if not change.startswith("model.sampling."):
            raise ConfigError(f"'{change}' would change the trained model; expected model.sampling.key=value")
        apply_override(state["config"], change)
    config = TrainConfig.from_dict(state["config"], source=f"{folder}: stored configuration")
    model = build_generator(config)
    try:
        model.load_state_dict(generator_state(state))
    except RuntimeError as error:
        raise CheckpointError(f"{folder}: the weights do not fit ({str(error).splitlines()[0]})") from None
    return TrainedGenerator(model.eval(), config, state["step"])


def start_generator(config: TrainConfig, generator: PretrainedModel, state: Mapping[str, Any]) -> None:
    """Load the weights of another run's checkpoint; the model adapts them to its configuration.

    Raises:
        CheckpointError: if they were trained on other features.
        RuntimeError: if they do not fit.
    """
    stored = state["config"]
    trained_config = config.task.read_model(stored["model"], stored.get("effect"))
    config.task.check_front_end(trained_config)
    # Initial weights must not change the random numbers of a run.
    with torch.random.fork_rng(devices=[]):
        trained = type(generator)(trained_config)
    trained.load_state_dict(generator_state(state))
    generator.start_from(trained)


def generator_state(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the generator's weights in a checkpoint: the moving average if there is one."""
    average = state.get("ema")
    if average is None:
        return dict(state["parts"]["generator"])
    return {key.removeprefix("module."): value for key, value in average.items() if key.startswith("module.")}
