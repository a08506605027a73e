"""Knobs that move: automation from a table, and the smooth path that a stream follows."""

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

# Samples between the points at which knobs are read; the first point is the first sample of the stream.
CONTROL_PERIOD = 64

# A knob that has come this near to where it is turned (as a part of its dial) has arrived.
_ARRIVED = 1e-6

_TIME = Knob(name="time", unit="s", min=0, max=1e9, default=0)


@dataclass(frozen=True)
class Automation:
    """Where knobs shall stand at which time.

    Between two points of a knob its normalised value moves in a straight line (whole numbers and switches wait for the
    next point); before the first point and behind the last its value is held.

    Attributes:
        curves: for each knob that is automated its times in seconds and its values.
    """

    curves: Mapping[str, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def from_points(cls, knobs: KnobSet, points: Mapping[str, Sequence[tuple[Any, Any]]]) -> "Automation":
        """Make an automation of (time, value) pairs for each knob; both may be texts such as ``200ms``, ``-24dB``.

        Raises:
            ConfigError: for an unknown knob, values that are no finite numbers, or times that do not rise.
        """
        curves = {}
        for name, pairs in points.items():
            times = np.array([_TIME.check(time) for time, _ in pairs])
            values = np.array([knobs[name].check(value) for _, value in pairs])
            if len(times) == 0 or np.any(np.diff(times) <= 0):
                raise ConfigError(f"automation of '{name}': expected at least one point, at times that rise")
            curves[name] = times, values
        return cls(curves)

    @classmethod
    def read_csv(cls, path: str | Path, knobs: KnobSet) -> "Automation":
        """Read a table whose first column is ``time`` (in seconds) and whose other columns are named after knobs.

        An empty cell is no point; cells may have units. The table is read by :func:`vocoders.core.tables.read_table`.

        Raises:
            DataError: with the line, for what is no such table: an unknown knob, a value that is no finite number,
                times that do not rise.
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
        """Return the values of each automated knob at some times, normalised for ``knobs``."""
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

    At each control point (every :data:`CONTROL_PERIOD` samples) a knob covers a part of its way to where it is turned,
    with the time constant ``smoothing_ms``, and reaches that value in a straight line over the period that begins
    there; whole numbers and switches jump. Everything is a function of the position in the stream, never of blocks.

    Args:
        knobs: the knobs.
        settings: where they stand at the start.
        sample_rate: of the stream in Hz.
        automation: overrides what is set, for the knobs that it names.
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
        # Whether nothing moves until a knob is turned; then all calls return the same array.
        self._at_rest, self._still = False, self._now[:, None]

    def set(self, settings: Mapping[str, Any], position: int) -> None:
        """Turn the knobs that ``settings`` names, from the first control point at or behind ``position`` on.

        Raises:
            ConfigError: for an unknown knob or a value that is no finite number.
        """
        turned = self._normalized(settings)
        named = np.isin(self._knobs.names, [self._knobs[name].name for name in settings])
        self._set = np.where(named, turned, self._set)
        self._pending.append((max(position, self._position), self._set))
        if self._position == 0 and position <= 0:
            # Nothing has sounded yet: there is nothing to move from.
            self._target, self._pending = self._set, []
            self._before = self._now = self._targets(0, 1)[0]
            self._at_rest = False

    def advance(self, length: int) -> np.ndarray:
        """Return the values at the next ``length`` samples: (K, length), or (K, 1) where nothing moves."""
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
        """Return what the next call depends on."""
        pending = [vector for _, vector in self._pending]
        return {
            "counts": torch.tensor([self._position, self._point]),
            "values": torch.from_numpy(np.stack([self._set, self._target, self._before, self._now])),
            "pending_positions": torch.tensor([position for position, _ in self._pending], dtype=torch.int64),
            "pending": torch.from_numpy(np.stack(pending) if pending else np.zeros((0, len(self._set)))),
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what :meth:`state` returned."""
        self._position, self._point = (int(count) for count in state["counts"])
        self._set, self._target, self._before, self._now = state["values"].clone().numpy()
        self._at_rest = False
        pairs = zip(state["pending_positions"].tolist(), state["pending"].clone().numpy(), strict=True)
        self._pending = list(pairs)

    def _normalized(self, settings: Mapping[str, Any] | None) -> np.ndarray:
        return self._knobs.normalize(self._knobs.values(settings)).numpy()

    def _targets(self, first: int, count: int) -> np.ndarray:
        """Return where the knobs are turned at control points ``first .. first + count``, (count, K)."""
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
