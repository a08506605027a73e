"""The log of a training run: scalars, speed, validations and the best weights."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recipes.best import BestCheckpoint
from recipes.config import TrainConfig
from recipes.metrics.metric import Direction
from recipes.progress import duration_words
from vocoders.core.atomic import atomic_file, writing

__all__ = ["TrainingLog"]

logger = logging.getLogger(__name__)


class TrainingLog:
    """The log of a run, in its main process.

    Args:
        config: configuration of the run.
        directions: better direction of each value of a validation; ``None`` without validation data.
        folder: folder of the run.
        step: first step.
        resumed: whether the run continues from a checkpoint.
    """

    def __init__(
        self, config: TrainConfig, directions: Mapping[str, Direction] | None, folder: Path, step: int, resumed: bool
    ) -> None:
        self._best = None
        if directions is not None and (metric := config.task.best_metric) is not None:
            self._best = BestCheckpoint(folder, metric, directions[metric], config.data.valid, resumed)
        self._scalars = _Scalars(folder, step)
        self._start = step, time.monotonic()
        self._last = config.trainer.max_steps

    @property
    def board(self) -> Any:
        """TensorBoard's writer, for audio and pictures."""
        return self._scalars.board

    def write(self, step: int, values: Mapping[str, float], skipped: int, learning_rate: float) -> None:
        """Write the values of a training step, the number of skipped steps, the speed and the learning rate."""
        line = dict(values)
        if skipped:
            line["skipped_steps"] = skipped
        first, started = self._start
        self._start = step, time.monotonic()
        speed = (step - first) / max(self._start[1] - started, 1e-9)
        left = duration_words((self._last - step) / speed) if speed > 0 else "unknown"
        values = line | {"steps_per_second": speed, "learning_rate": learning_rate}
        self._scalars.write(step, values, f" of {self._last}, {left} left")

    def write_validation(
        self, step: int, values: dict[str, float], state: Callable[[], dict[str, Any]], seconds: float
    ) -> None:
        """Write the values of a validation, and keep the model if it is the best so far.

        Args:
            step: number of updates so far.
            values: the values; none are written if there are none.
            state: function that returns the validated weights in the form of a checkpoint.
            seconds: duration of the validation, which does not count as training.
        """
        if self._best is not None:
            values = values | self._best.update(step, values, state)
        if values:
            self._scalars.write(step, values)
        first, started = self._start
        self._start = first, started + seconds

    def close(self) -> None:
        """Flush everything."""
        self._scalars.board.close()


class _Scalars:
    """Scalars to ``metrics.jsonl`` and TensorBoard."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = folder / "metrics.jsonl"
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with writing(self.path):
            self._drop_after(step)
            # Refused now, and not after the first steps.
            self.path.open("a").close()
        with writing(folder / "tensorboard"):
            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float], progress: str = "") -> None:
        """Write one line of values; ``progress`` is for the log alone."""
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **{k: round(v, 6) for k, v in values.items()}}) + "\n")
        for name, value in values.items():
            self.board.add_scalar(name, value, step)
        logger.info("step %d%s: %s", step, progress, ", ".join(f"{name} {value:.4g}" for name, value in values.items()))

    def _drop_after(self, step: int) -> None:
        """Remove the lines of steps that a resumed run will repeat."""
        if self.path.exists():
            lines = [line for line in self.path.read_text().splitlines() if json.loads(line)["step"] <= step]
            with atomic_file(self.path) as temporary:
                temporary.write_text("".join(line + "\n" for line in lines))
