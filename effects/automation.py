"""Knobs over time: automation from a table, and the smoothed values that a stream uses."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from effects.knobs import Knob, KnobSet
from vocoders.core.errors import ConfigError, DataError, OndesError
from vocoders.core.tables import read_table

__all__ = ["CONTROL_PERIOD", "Automation", "KnobPath"]

# Samples between control points, at which knobs are read; the first sample of the stream is a control point.
CONTROL_PERIOD = 64

# A knob whose distance to its target (as a fraction of its dial) is below this has arrived.
_ARRIVED = 1e-6

_TIME = Knob(name="time", unit="s", min=0, max=1e9, default=0)


@dataclass(frozen=True)
class Automation:
    """The settings of knobs over time.

    Between two points the normalised value of a knob is interpolated linearly (whole numbers and switches change at the
    next point); before the first point and after the last one the value is constant.

    Attributes:
        curves: times in seconds and values of each automated knob.
    """

    curves: Mapping[str, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def from_points(cls, knobs: KnobSet, points: Mapping[str, Sequence[tuple[Any, Any]]]) -> "Automation":
        """Make an automation from (time, value) pairs for each knob; both may be texts such as ``200ms``, ``-24dB``.

        Raises:
            ConfigError: for an unknown knob, values that are not finite, or times that do not increase.
        """
        curves = {}
        for name, pairs in points.items():
            times = np.array([_TIME.check(time) for time, _ in pairs])
            values = np.array([knobs[name].check(value) for _, value in pairs])
            if len(times) == 0 or np.any(np.diff(times) <= 0):
                raise ConfigError(f"automation of '{name}': expected at least one point, at ascending times")
            curves[name] = times, values
        return cls(curves)

    @classmethod
    def read_csv(cls, path: str | Path, knobs: KnobSet) -> "Automation":
        """Read a table whose first column is ``time`` (in seconds) and whose other columns are named after knobs.

        An empty cell is no point; cells may have units. The table is read by :func:`vocoders.core.tables.read_table`.

        Raises:
            DataError: if it is no such table: an unknown knob, a value that is not finite, times that do not increase;
                the message names the line.
        """
        table = read_table(path, "automation file", "a row of names, 'time' first, and at least one point")
        first, *names = table.columns
        if first != "time" or not names:
            found = ",".join(table.columns)
            raise DataError(f"{path}: first row '{found}'; expected 'time' and different names of knobs")
        points: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        last = -math.inf
        for row in table.rows:
            try:
                time = _TIME.check(row.cells["time"])
                if time <= last:
                    raise DataError(f"time {time:g} s is not after {last:g} s")
                last = time
                for name in names:
                    if cell := row.cells[name]:
                        points[name].append((time, knobs[name].check(cell)))
            except OndesError as error:
                raise DataError(f"{path} line {row.line}: {error}") from None
        try:
            return cls.from_points(knobs, points)
        except ConfigError as error:
            raise DataError(f"{path}: {error}") from None

    @property
    def duration(self) -> float:
        """Time of the last point in seconds."""
        return max(float(times[-1]) for times, _ in self.curves.values())

    def normalized_at(self, seconds: np.ndarray, knobs: KnobSet) -> dict[str, np.ndarray]:
        """Return the values of each automated knob at the given times, normalised for ``knobs``."""
        low, high = knobs.norm
        normalized = {}
        for name, (times, values) in self.curves.items():
            knob = knobs[name]
            points = low + (high - low) * knob.position(torch.from_numpy(values)).numpy()
            if knob.is_discrete:
                normalized[name] = points[np.clip(np.searchsorted(times, seconds, side="right") - 1, 0, None)]
            else:
                normalized[name] = np.interp(seconds, times, points)
        return normalized


class KnobPath:
    """The normalised values of all knobs at every sample of a stream.

    At each control point (every :data:`CONTROL_PERIOD` samples) a knob moves a fraction of the way to its target, with
    the time constant ``smoothing_ms``; the value is interpolated linearly over the following control period. Whole
    numbers and switches jump. All values depend on the position in the stream, never on the blocks.

    Args:
        knobs: the knobs.
        settings: settings at the start.
        sample_rate: sample rate of the stream in Hz.
        automation: overrides the settings of the knobs that it names.

    Raises:
        ConfigError: for an unknown knob in either, or a value that is not finite.
    """

    def __init__(
        self, knobs: KnobSet, settings: Mapping[str, Any] | None, sample_rate: int, automation: Automation | None = None
    ) -> None:
        self._knobs, self._rate, self._automation = knobs, sample_rate, automation
        seconds = CONTROL_PERIOD / sample_rate
        jumps = [knob.is_discrete or knob.smoothing_ms == 0 for knob in knobs.knobs]
        self._jumps = np.array(jumps, dtype=bool)
        self._kept = np.array(
            [
                0.0 if jump else math.exp(-1000 * seconds / knob.smoothing_ms)
                for jump, knob in zip(jumps, knobs.knobs, strict=True)
            ]
        )
        self._set = self._target = self._normalized(settings)
        self._pending: list[tuple[int, np.ndarray]] = []
        self._position = self._point = 0
        self._before = self._now = self._targets(0, 1)[0]
        # Whether all knobs are at rest; then all calls return the same array.
        self._at_rest, self._still = False, self._now[:, None]

    def set(self, settings: Mapping[str, Any], position: int) -> None:
        """Set new targets for the knobs in ``settings``, from the first control point at or after ``position``.

        Raises:
            ConfigError: for an unknown knob or a value that is not finite.
        """
        turned = self._normalized(settings)
        named = np.isin(self._knobs.names, [self._knobs[name].name for name in settings])
        self._set = np.where(named, turned, self._set)
        self._pending.append((max(position, self._position), self._set))
        if self._position == 0 and position <= 0:
            # The stream has not started, so knobs take their settings at once.
            self._target, self._pending = self._set, []
            self._before = self._now = self._targets(0, 1)[0]
            self._at_rest = False

    def advance(self, length: int) -> np.ndarray:
        """Return the values at the next ``length`` samples: (K, length), or (K, 1) if they are constant."""
        first, start = self._position // CONTROL_PERIOD, self._position
        self._position += length
        last = (self._position - 1) // CONTROL_PERIOD
        if self._at_rest and not self._pending:
            self._point = max(self._point, last)
            return self._still
        values = [(self._before, self._now)] if first == self._point else []
        for target in self._targets(self._point + 1, max(0, last - self._point)):
            self._before = self._now
            moved = target + (self._now - target) * self._kept
            self._now = np.where(np.abs(moved - target) <= _ARRIVED, target, moved)
            values.append((self._before, self._now))
        self._point = max(self._point, last)
        self._at_rest = self._automation is None and self._has_arrived
        self._still = self._now[:, None]
        if all(np.array_equal(before, now) for before, now in values) or length == 0:
            return self._now[:, None]
        samples = np.arange(start, start + length)
        before, now = (np.stack(column)[samples // CONTROL_PERIOD - first].T for column in zip(*values, strict=True))
        ramp = (samples % CONTROL_PERIOD + 1) / CONTROL_PERIOD
        return np.where(self._jumps[:, None], now, before + (now - before) * ramp)

    @property
    def _has_arrived(self) -> bool:
        return bool((self._now == self._target).all() and (self._before == self._now).all())

    def state(self) -> dict[str, Tensor]:
        """Return the state on which the next call depends."""
        pending = [vector for _, vector in self._pending]
        return {
            "counts": torch.tensor([self._position, self._point]),
            "values": torch.from_numpy(np.stack([self._set, self._target, self._before, self._now])),
            "pending_positions": torch.tensor([position for position, _ in self._pending], dtype=torch.int64),
            "pending": torch.from_numpy(np.stack(pending) if pending else np.zeros((0, len(self._set)))),
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a result of :meth:`state`."""
        self._position, self._point = (int(count) for count in state["counts"])
        self._set, self._target, self._before, self._now = state["values"].clone().numpy()
        self._at_rest = False
        pairs = zip(state["pending_positions"].tolist(), state["pending"].clone().numpy(), strict=True)
        self._pending = list(pairs)

    def _normalized(self, settings: Mapping[str, Any] | None) -> np.ndarray:
        return self._knobs.normalize(self._knobs.values(settings)).numpy()

    def _targets(self, first: int, count: int) -> np.ndarray:
        """Return the targets of the knobs at control points ``first .. first + count``, (count, K)."""
        targets = np.empty((count, len(self._knobs)))
        for index in range(count):
            while self._pending and self._pending[0][0] <= (first + index) * CONTROL_PERIOD:
                self._target = self._pending.pop(0)[1]
            targets[index] = self._target
        if self._automation is not None and count:
            seconds = (first + np.arange(count)) * (CONTROL_PERIOD / self._rate)
            for name, values in self._automation.normalized_at(seconds, self._knobs).items():
                targets[:, self._knobs.names.index(name)] = values
        return targets
