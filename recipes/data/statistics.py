"""Statistics of features over a training set: mean and deviation per mel band, and the range of the frame energy."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recipes.data.text_files import write_texts
from vocoders.core.errors import DataError
from vocoders.core.json_files import read_json

__all__ = ["FeatureStatistics", "RunningStatistics"]

_FORMAT = 1


@dataclass
class RunningStatistics:
    """Streaming mean and variance in float64; parts can be merged in any grouping (Chan, Golub & LeVeque 1979).

    Attributes:
        count: number of frames so far.
        mean: (M,) mean of each band.
        squares: (M,) sum of squared deviations from the mean.
        energy_min: lowest frame energy.
        energy_max: highest frame energy.
    """

    count: int = 0
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    squares: np.ndarray = field(default_factory=lambda: np.zeros(0))
    energy_min: float = float("inf")
    energy_max: float = float("-inf")

    @classmethod
    def of(cls, features: np.ndarray, energy: np.ndarray) -> "RunningStatistics":
        """Return the statistics of one utterance: features (M, F), energy (F,)."""
        features = features.astype(np.float64)
        mean = features.mean(axis=1)
        squares = ((features - mean[:, None]) ** 2).sum(axis=1)
        return cls(features.shape[1], mean, squares, float(energy.min()), float(energy.max()))

    def merge(self, other: "RunningStatistics") -> "RunningStatistics":
        """Return the statistics of both parts together."""
        if self.count == 0 or other.count == 0:
            return other if self.count == 0 else self
        count = self.count + other.count
        difference = other.mean - self.mean
        mean = self.mean + difference * (other.count / count)
        squares = self.squares + other.squares + difference**2 * (self.count * other.count / count)
        low, high = min(self.energy_min, other.energy_min), max(self.energy_max, other.energy_max)
        return RunningStatistics(count, mean, squares, low, high)


@dataclass(frozen=True)
class FeatureStatistics:
    """Statistics of the training features of a model.

    Attributes:
        mean: (M,) float64 mean of each mel band.
        std: (M,) float64 population deviation of each mel band.
        fingerprint: front end of the features.
        energy_min: lowest frame energy sqrt(sum of linear mel), the range of PeriodWave's prior.
        energy_max: highest frame energy.
        peak: level to which each utterance was scaled first; ``None`` for unscaled audio.
        frames: number of frames counted.
        source: short digest of the counted utterances, which shows whether they must be counted again.
    """

    mean: np.ndarray
    std: np.ndarray
    fingerprint: str
    energy_min: float = 0.0
    energy_max: float = 0.0
    peak: float | None = None
    frames: int = 0
    source: str = ""

    @classmethod
    def from_running(
        cls, running: RunningStatistics, fingerprint: str, peak: float | None, source: str
    ) -> "FeatureStatistics":
        """Finish a running count; a constant band gets the deviation 1, so that division is possible."""
        std = np.sqrt(running.squares / running.count)
        std = np.where(std > 1e-6 * np.maximum(1.0, np.abs(running.mean)), std, 1.0)
        return cls(
            running.mean, std, fingerprint, running.energy_min, running.energy_max, peak, running.count, source
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | Path, fingerprint: str | None = None) -> "FeatureStatistics":
        """Read a statistics file.

        Args:
            path: JSON file that :meth:`save` wrote.
            fingerprint: required front end of the statistics.

        Raises:
            DataError: if the file is missing or malformed, or from another front end (both lines are printed).
        """
        path = Path(path)
        try:
            data = read_json(path)
            if data.pop("format") != _FORMAT:
                raise ValueError(f"expected format {_FORMAT}")
            mean, std = (np.asarray(data.pop(key), dtype=np.float64) for key in ("mean", "std"))
            statistics = cls(mean, std, **data)
            if mean.ndim != 1 or mean.shape != std.shape or not np.isfinite([mean, std]).all() or std.min() < 0:
                raise ValueError("mean and std must be finite lists of one length")
        except FileNotFoundError:
            raise DataError(f"{path}: no statistics; run 'ondes features' on the training set") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: not a statistics file ({error}); run 'ondes features' again") from None
        if fingerprint is not None and fingerprint != statistics.fingerprint:
            raise DataError(
                f"{path} was made with [{statistics.fingerprint}]; expected [{fingerprint}]; "
                "run 'ondes features --force'"
            )
        return statistics

    def save(self, path: str | Path) -> None:
        """Write the statistics as JSON, exactly and atomically."""
        values = {
            "format": _FORMAT,
            "fingerprint": self.fingerprint,
            "peak": self.peak,
            "frames": self.frames,
            "source": self.source,
            "energy_min": self.energy_min,
            "energy_max": self.energy_max,
            "mean": [float(value) for value in self.mean],
            "std": [float(value) for value in self.std],
        }
        write_texts(Path(path).parent, {Path(path).name: json.dumps(values, indent=1) + "\n"})
