"""The schedule that depends on how training goes: the learning rate falls when validation stops improving."""

import math
from typing import Any

from recipes.config import SchedulerConfig

__all__ = ["Plateau"]

# As torch's scheduler of that name: a loss counts as better if it is lower by this share.
_LEAST_IMPROVEMENT = 1e-4


class Plateau:
    """Multiply the rate by ``config.decay`` after more than ``config.patience`` validations without a better loss.

    Args:
        config: the ``scheduler`` section.
    """

    def __init__(self, config: SchedulerConfig) -> None:
        self.config = config
        self.factor, self._best, self._waited = 1.0, math.inf, 0

    def update(self, loss: float) -> None:
        """Take the loss of a validation into account; one that is not a number is no improvement."""
        if loss < self._best * (1 - _LEAST_IMPROVEMENT):
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited > self.config.patience:
            self.factor, self._waited = self.factor * self.config.decay, 0

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"factor": self.factor, "best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a stored state."""
        self.factor, self._best, self._waited = state["factor"], state["best"], state["waited"]
