"""Build the parts of a training run from its configuration."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recipes.checkpoint import check_run_folder, check_training_state, load_checkpoint, load_latest_checkpoint
from recipes.config import OptimizerConfig, SchedulerConfig, TrainConfig
from recipes.families import model_class
from recipes.objectives import OBJECTIVES
from vocoders.core.config import apply_override
from vocoders.core.errors import CheckpointError, ConfigError

__all__ = [
    "TrainedGenerator",
    "build_generator",
    "build_objective",
    "build_optimizer",
    "generator_state",
    "learning_rate_factor",
    "restore_generator",
    "start_generator",
]


def build_generator(config: TrainConfig) -> nn.Module:
    """Build the model of a training run, freshly initialised."""
    return model_class(config.family)(config.generator)


def build_objective(config: TrainConfig, generator: nn.Module) -> nn.Module:
    """Build the objective of a training run."""
    return OBJECTIVES[config.objective_options.name](config.objective_options, generator)


def build_optimizer(config: OptimizerConfig, module: nn.Module) -> torch.optim.Optimizer:
    """Build AdamW for the trainable parameters of ``module``.

    Each group of parameters holds ``rate``, the factor of its learning rate to ``config.learning_rate``.
    """
    systems = _system_parameters(config, module)
    undecayed = set() if config.decay_biases else _biases_and_norms(module)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {(1.0, config.weight_decay): []}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        if name in systems:
            kind = (config.system_learning_rate / config.learning_rate, 0.0)
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
    )


def _system_parameters(config: OptimizerConfig, module: nn.Module) -> set[str]:
    if config.system_learning_rate is None or not hasattr(module, "system_parameters"):
        return set()
    return set(module.system_parameters())


def _biases_and_norms(module: nn.Module) -> set[str]:
    """Return the names of biases and of the parameters of norms."""
    parts = {name: ["", *name.split(".")] for name, _ in module.named_parameters()}
    return {name for name, (*_, owner, leaf) in parts.items() if leaf == "bias" or owner.startswith("norm")}


def learning_rate_factor(config: SchedulerConfig, step: int, max_steps: int) -> float:
    """Return the factor of the learning rate for the update number ``step`` (from 0)."""
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    # A plateau is found by the trainer: it depends on more than the step.
    if config.name in ("constant", "plateau"):
        return warmup
    if config.name == "exponential":
        return warmup * config.decay ** (step / 1000)
    if config.name == "one_cycle":
        return warmup * _one_cycle(config, step, max_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(step / max_steps, 1.0)))
    return warmup * (config.final + (1 - config.final) * cosine)


def _one_cycle(config: SchedulerConfig, step: int, max_steps: int) -> float:
    """Return the factor on the way up, whose last step has the whole rate, or down, whose first has it again."""
    rising = round(config.rise * max_steps)
    if step < rising:
        foot, way = config.initial, step / max(rising - 1, 1)
    else:
        foot, way = config.final, max(max_steps - 1 - step, 0) / max(max_steps - 1 - rising, 1)
    return foot + (1 - foot) * 0.5 * (1 - math.cos(math.pi * way))


@dataclass(frozen=True)
class TrainedGenerator:
    """What a training run has made so far."""

    model: nn.Module
    config: TrainConfig
    step: int


def restore_generator(folder: Path, checkpoint: Path | None = None, sampling: Sequence[str] = ()) -> TrainedGenerator:
    """Restore the generator of a training run: the moving average if the run keeps one.

    Args:
        folder: the run's folder.
        checkpoint: one of its checkpoints; ``None``: the latest that is whole.
        sampling: changes ``model.sampling.key=value`` of how the model is sampled, which weights do not depend on.

    Raises:
        CheckpointError: if there is no usable checkpoint.
        ConfigError: for another change, or an impossible one.
    """
    check_run_folder(folder)
    state = load_checkpoint(checkpoint) if checkpoint is not None else load_latest_checkpoint(folder / "checkpoints")
    if state is None:
        raise CheckpointError(f"{folder}: no checkpoint in it; run 'ondes train' first")
    check_training_state(state, checkpoint or folder)
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


def start_generator(generator: nn.Module, state: Mapping[str, Any]) -> None:
    """Load the generator's weights of another run's checkpoint.

    A model with ``start_from(trained)`` brings them from their configuration to its own.

    Raises:
        RuntimeError: if they do not fit.
    """
    if not hasattr(generator, "start_from"):
        generator.load_state_dict(generator_state(state))
        return
    trained = type(generator)(type(generator).config_class.from_dict(state["config"]["model"]))
    trained.load_state_dict(generator_state(state))
    generator.start_from(trained)


def generator_state(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the generator's weights of a checkpoint: the moving average if there is one."""
    average = state.get("ema")
    if average is None:
        return dict(state["parts"]["generator"])
    return {key.removeprefix("module."): value for key, value in average.items() if key.startswith("module.")}
