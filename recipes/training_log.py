"""The log of a training run: scalars, speed, validations, the best weights, and the page that shows them."""

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
from recipes.runs.history import LOG_FILE, read_log
from recipes.runs.page import write_report
from recipes.trackers import Trackers
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
        self._folder, self._scalars = folder, _Scalars(config, folder, step)
        self._start = step, time.monotonic()
        self._last = config.trainer.max_steps

    @property
    def board(self) -> Any:
        """TensorBoard's writer, for audio and pictures; ``None`` if the run has none."""
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
        begun = time.monotonic()
        self.write_report()
        seconds += time.monotonic() - begun
        first, started = self._start
        self._start = first, started + seconds

    def write_report(self) -> None:
        """Write the page of the run as far as it has come; a page that fails is no reason to end a training."""
        try:
            write_report(self._folder)
        except Exception as error:
            logger.warning("%s: no report page (%s)", self._folder, error)

    def close(self) -> None:
        """Flush everything."""
        self.write_report()
        self._scalars.close()


class _Scalars:
    """Scalars to ``metrics.jsonl``, TensorBoard and other trackers."""

    def __init__(self, config: TrainConfig, folder: Path, step: int) -> None:
        self.path = folder / LOG_FILE
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with writing(self.path):
            self._drop_after(step)
            # Refused now, and not after the first steps.
            self.path.open("a").close()
        names = config.trainer.trackers
        self.board = _open_board(folder / "tensorboard", step) if "tensorboard" in names else None
        self._trackers = Trackers(names, folder, config.to_dict())

    def write(self, step: int, values: Mapping[str, float], progress: str = "") -> None:
        """Write one line of values; ``progress`` is for the log alone."""
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **{k: round(v, 6) for k, v in values.items()}}) + "\n")
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)
        self._trackers.write(step, values)
        logger.info("step %d%s: %s", step, progress, ", ".join(f"{name} {value:.4g}" for name, value in values.items()))

    def close(self) -> None:
        """Flush everything."""
        if self.board is not None:
            self.board.close()
        self._trackers.close()

    def _drop_after(self, step: int) -> None:
        """Remove the lines of steps that a resumed run will repeat."""
        if self.path.exists():
            lines = [json.dumps(line) for line in read_log(self.path) if line["step"] <= step]
            with atomic_file(self.path) as temporary:
                temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _open_board(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    with writing(folder):
        return SummaryWriter(str(folder), purge_step=step + 1)
