"""What a training run tells while it goes on: scalars, its speed, and a bar on a terminal."""

import json
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["ScalarWriter", "SpeedTimer", "TrainingBar"]

logger = logging.getLogger(__name__)


class ScalarWriter:
    """Scalars to ``metrics.jsonl`` and TensorBoard."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "metrics.jsonl"
        self._drop_after(step)
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write one line of values."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **{k: round(v, 6) for k, v in values.items()}}) + "\n")
        for name, value in values.items():
            self.board.add_scalar(name, value, step)
        logger.info("step %d: %s", step, ", ".join(f"{name} {value:.4g}" for name, value in values.items()))

    def close(self) -> None:
        """Flush everything."""
        self.board.close()

    def _drop_after(self, step: int) -> None:
        """Remove the lines of steps that a resumed run will make again."""
        if self.path.exists():
            lines = [line for line in self.path.read_text().splitlines() if json.loads(line)["step"] <= step]
            self.path.write_text("".join(line + "\n" for line in lines))


class SpeedTimer:
    """Training speed between two log lines, without the time that validation takes."""

    def __init__(self, step: int) -> None:
        self.pause(step)

    def lap(self, step: int) -> dict[str, float]:
        """Return the steps per second since the last lap or pause."""
        now = time.monotonic()
        speed = (step - self.step) / max(now - self.time, 1e-9)
        self.step, self.time = step, now
        return {"steps_per_second": speed}

    def pause(self, step: int) -> None:
        """Start measuring anew."""
        self.step, self.time = step, time.monotonic()


class TrainingBar:
    """A progress bar with speed and time left on a terminal; nothing elsewhere, where the log lines serve."""

    def __init__(self, total: int, step: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not sys.stderr.isatty(),
        )
        self.task = self.bar.add_task("training", total=total, completed=step, speed="")
        self.bar.start()

    def advance(self, step: int) -> None:
        """Show that ``step`` steps are done."""
        task = self.bar.tasks[0]
        self.bar.update(self.task, completed=step, speed=f"{task.speed or 0:.2f} steps/s")

    def close(self) -> None:
        """Leave the terminal to others."""
        self.bar.stop()
