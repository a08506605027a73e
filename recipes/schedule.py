"""Schedules of the learning rate, by the step or by the validation loss."""

import math
from typing import Any

from recipes.sections import SchedulerConfig

__all__ = ["Plateau", "learning_rate_factor"]

# As in torch's scheduler: a loss is an improvement if it is lower by this fraction.
_LEAST_IMPROVEMENT = 1e-4


def learning_rate_factor(config: SchedulerConfig, step: int, max_steps: int) -> float:
    """Return the factor on the learning rate for update number ``step`` (from 0)."""
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    # A plateau depends on more than the step, see Plateau.
    if config.name in ("constant", "plateau"):
        return warmup
    if config.name == "exponential":
        return warmup * config.decay ** (step / 1000)
    if config.name == "one_cycle":
        return warmup * _one_cycle(config, step, max_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(step / max_steps, 1.0)))
    return warmup * (config.final + (1 - config.final) * cosine)


def _one_cycle(config: SchedulerConfig, step: int, max_steps: int) -> float:
    """Return the factor while it rises or falls; the last rising and the first falling step have the full rate."""
    rising = round(config.rise * max_steps)
    if step < rising:
        foot, way = config.initial, step / max(rising - 1, 1)
    else:
        foot, way = config.final, max(max_steps - 1 - step, 0) / max(max_steps - 1 - rising, 1)
    return foot + (1 - foot) * 0.5 * (1 - math.cos(math.pi * way))


class Plateau:
    """Multiply the rate by ``config.decay`` after more than ``config.patience`` validations without a better loss.

    Args:
        config: the ``scheduler`` section.
    """

    def __init__(self, config: SchedulerConfig) -> None:
        self.config = config
        self.factor, self._best, self._waited = 1.0, math.inf, 0

    def update(self, loss: float) -> None:
        """Add the loss of a validation; NaN is not an improvement."""
        if loss < self._best * (1 - _LEAST_IMPROVEMENT):
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited > self.config.patience:
            self.factor, self._waited = self.factor * self.config.decay, 0

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a resumed run."""
        return {"factor": self.factor, "best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a stored state."""
        self.factor, self._best, self._waited = state["factor"], state["best"], state["waited"]
