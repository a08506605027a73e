"""What a run has written about itself: values over steps, configuration, audio of validations."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vocoders.core.config import read_yaml
from vocoders.core.errors import DataError
from vocoders.core.json_files import parse_json

__all__ = ["LOG_FILE", "Clips", "Curve", "RunHistory", "read_log", "read_run"]

LOG_FILE = "metrics.jsonl"

Curve = tuple[np.ndarray, np.ndarray]
"""Steps and values of one quantity, in the order of the steps."""


@dataclass(frozen=True)
class Clips:
    """Audio of one utterance over a training: the reference, and outputs by step."""

    reference: Path | None
    outputs: dict[int, Path]


@dataclass(frozen=True)
class RunHistory:
    """A run, as far as it has come.

    Attributes:
        folder: folder of the run.
        curves: every logged quantity by name.
        settings: configuration, flat: ``trainer.max_steps`` and its value.
        clips: audio of validations by utterance.
    """

    folder: Path
    curves: dict[str, Curve]
    settings: dict[str, Any]
    clips: dict[str, Clips] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    @property
    def last_step(self) -> int:
        """The last step with a log line."""
        return max((int(steps[-1]) for steps, _ in self.curves.values()), default=0)

    @property
    def speed(self) -> float | None:
        """Median of the steps per second, without the first log line; ``None`` without any."""
        if "steps_per_second" not in self.curves:
            return None
        values = self.curves["steps_per_second"][1]
        return float(np.median(values[1:] if len(values) > 1 else values))


def read_run(folder: str | Path) -> RunHistory:
    """Read the log of a run.

    Raises:
        DataError: if the folder is none of a run, or its log is damaged.
        ConfigError: if its configuration is damaged.
    """
    folder = Path(folder)
    path = folder / LOG_FILE
    if not path.is_file():
        raise DataError(f"{folder}: no {LOG_FILE} in it; expected the folder of a training run (exp/NAME)")
    points: dict[str, tuple[list[int], list[float]]] = {}
    for values in read_log(path):
        for name, value in values.items():
            if name != "step":
                steps, found = points.setdefault(name, ([], []))
                steps.append(int(values["step"]))
                found.append(float(value))
    configuration = folder / "config.yaml"
    settings = _flatten(read_yaml(configuration)) if configuration.is_file() else {}
    curves = {name: (np.array(steps), np.array(found)) for name, (steps, found) in points.items()}
    return RunHistory(folder, curves, settings, _find_clips(folder / "valid"))


def read_log(path: Path) -> list[dict[str, float]]:
    """Return the lines of a log: the values of a step, ``step`` among them.

    Half a line at the end, of a trainer that writes or was killed, is left out.

    Raises:
        DataError: if it cannot be read, or for any other line that no trainer has written.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            values = parse_json(line)
            _ = int(values["step"]), [value + 0.0 for value in values.values()]
            found.append(values)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            if number < len(lines) or line.endswith(b"\n"):
                raise DataError(f"{path}: line {number} is damaged ({error}); remove it") from None
    return found


def _flatten(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in section.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _find_clips(folder: Path) -> dict[str, Clips]:
    found: dict[str, Clips] = {}
    for path in sorted(folder.glob("step-*/*.output.wav")):
        if match := re.fullmatch(r"step-(\d+)", path.parent.name):
            name = path.name.removesuffix(".output.wav")
            reference = path.with_name(f"{name}.reference.wav")
            clips = found.get(name, Clips(reference if reference.is_file() else None, {}))
            clips.outputs[int(match[1])] = path
            found[name] = clips
    return found
