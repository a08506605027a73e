"""The best checkpoint of a run: the weights of the validation with the best value."""

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recipes.checkpoint import best_path, load_checkpoint, save_best
from recipes.metrics.metric import Direction
from vocoders.core.errors import CheckpointError

__all__ = ["BestCheckpoint"]

logger = logging.getLogger(__name__)


class BestCheckpoint:
    """Keeps the weights of the best validation in a file, and restores its value when the run is resumed.

    A value that is not finite is never the best; of equal values the earlier one is kept.

    Args:
        run: folder of the run.
        metric: name of the value to compare.
        direction: better direction of the value.
        data: validation data of the run.
        resumed: whether the run continues from a checkpoint; if not, an old file is removed.
    """

    def __init__(self, run: Path, metric: str, direction: Direction, data: str | None, resumed: bool) -> None:
        self.run, self.metric, self.direction = run, metric, direction
        self.value, self.step = math.nan, 0
        path = best_path(run)
        if resumed and path.exists():
            self._go_on_from(path, data)
        else:
            path.unlink(missing_ok=True)

    def _go_on_from(self, path: Path, data: str | None) -> None:
        try:
            state = load_checkpoint(path)
            record, step, measured = state["best"], state["step"], state["config"]["data"]["valid"]
        except (CheckpointError, KeyError, TypeError):
            logger.warning("%s: no best checkpoint that can be read; the search for the best starts anew", path)
            return
        if record["metric"] != self.metric:
            found = f"{record['metric']} {record['value']:.4g} at step {step}"
            logger.warning("%s: best by %s; the search for the best %s starts anew", path, found, self.metric)
            return
        self.value, self.step = record["value"], step
        if measured != data:
            text = "%s: its value was measured on %s, and this run validates on %s; delete it to search anew"
            logger.warning(text, path, measured, data)

    def update(self, step: int, values: Mapping[str, float], state: Callable[[], dict[str, Any]]) -> dict[str, float]:
        """Add the result of a validation.

        Args:
            step: step of the validation.
            values: its values.
            state: function that returns the validated weights, with family and configuration.

        Returns:
            The best value so far as ``best/NAME``; empty if there is none.

        Raises:
            CheckpointError: if the file cannot be written.
        """
        value = values.get(self.metric, math.nan)
        if math.isfinite(value) and (math.isnan(self.value) or self.direction.better(value, self.value)):
            record = {"metric": self.metric, "value": value}
            path = save_best(self.run, step, {**state(), "best": record})
            before = "" if math.isnan(self.value) else f", before {self.value:.4g} at step {self.step}"
            logger.info("step %d: best %s so far, %.4g%s; wrote %s", step, self.metric, value, before, path)
            self.value, self.step = value, step
        return {} if math.isnan(self.value) else {f"best/{self.metric}": self.value}
