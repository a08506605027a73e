"""Build the parts of a training run from its configuration."""

import math

import torch
from torch import nn

from recipes.config import OptimizerConfig, SchedulerConfig, TrainConfig
from recipes.objectives import OBJECTIVES
from vocoders.registry import FAMILIES

__all__ = ["build_generator", "build_objective", "build_optimizer", "learning_rate_factor"]


def build_generator(config: TrainConfig) -> nn.Module:
    """Build the model of a training run, freshly initialised."""
    return FAMILIES[config.family].model_class(config.generator)


def build_objective(config: TrainConfig, generator: nn.Module) -> nn.Module:
    """Build the objective of a training run."""
    return OBJECTIVES[config.objective_options.name](config.objective_options, generator)


def build_optimizer(config: OptimizerConfig, module: nn.Module) -> torch.optim.Optimizer:
    """Build AdamW for the trainable parameters of ``module``."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(
        parameters, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay, eps=config.eps
    )


def learning_rate_factor(config: SchedulerConfig, step: int, max_steps: int) -> float:
    """Return the factor of the learning rate for the update number ``step`` (from 0)."""
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if config.name == "constant":
        return warmup
    if config.name == "exponential":
        return warmup * config.decay ** (step / 1000)
    cosine = 0.5 * (1 + math.cos(math.pi * min(step / max_steps, 1.0)))
    return warmup * (config.final + (1 - config.final) * cosine)
