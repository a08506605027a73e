"""Outcomes of an evaluation: the values of each pair, what failed and why, and their means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recipes.metrics.bootstrap import bootstrap_interval
from recipes.metrics.metric import Metric
from recipes.metrics.pairing import Pair

__all__ = ["EvaluationResult", "Outcome", "Problem", "Score", "Summary"]


@dataclass(frozen=True)
class Problem:
    """A problem in a result.

    Attributes:
        system: name of the system.
        utt_id: id of the utterance.
        metric: name of the metric; empty for a problem of the pair.
        kind: ``failed`` (no value because something is broken), ``undefined`` (the metric has no value here),
            ``cropped`` (lengths differ by more than ``report_seconds``), ``missing`` (a file without its partner),
            ``divided`` (a long file, measured in parts).
        message: description of the problem.
    """

    system: str
    utt_id: str
    metric: str
    kind: str
    message: str


@dataclass(frozen=True)
class Score:
    """All values of one pair; a metric without a value is absent, and a :class:`Problem` gives the reason.

    ``seconds`` is the time of each metric. A shared analysis counts for the first metric that needs it.
    """

    system: str
    utt_id: str
    duration: float
    cropped: float
    values: dict[str, float]
    seconds: dict[str, float] = field(default_factory=dict, compare=False)


#: What is known of one pair: its score, if it could be read, and its problems.
Outcome = tuple[Score | None, list[Problem]]


@dataclass(frozen=True)
class Summary:
    """Mean of a metric over the utterances with a value.

    Attributes:
        mean: ``None`` without any value.
        low: lower limit of its confidence interval; ``None`` for fewer than two values.
        high: upper limit.
        n: number of values.
        left_out: number of measured utterances without a value; :attr:`EvaluationResult.problems` say why.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    left_out: int = 0

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both limits, ``None`` if there are none."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class EvaluationResult:
    """Result of an evaluation.

    Attributes:
        metrics: the metrics, in the order of the columns.
        systems: names of the systems, in the order of the rows.
        scores: one per pair that could be read.
        problems: everything that failed, is undefined, was cropped or is missing.
        confidence: coverage of the intervals.
        seed: seed of the bootstrap.
        pairs: the compared pairs.
        not_run: requested metrics that could not run, with reasons.
        wall_seconds: total time, with reading and the start of processes.
        facts: further entries of the JSON file.
    """

    metrics: tuple[Metric, ...]
    systems: tuple[str, ...]
    scores: tuple[Score, ...]
    problems: tuple[Problem, ...] = ()
    confidence: float = 0.95
    seed: int = 0
    pairs: tuple[Pair, ...] = ()
    not_run: Mapping[str, str] = field(default_factory=dict)
    wall_seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    _summaries: dict[tuple[str, str], Summary] = field(default_factory=dict, repr=False, compare=False)

    @property
    def failures(self) -> tuple[Problem, ...]:
        """The failures among the problems."""
        return tuple(problem for problem in self.problems if problem.kind == "failed")

    @property
    def audio_minutes(self) -> float:
        """Minutes of generated audio that were measured."""
        return sum(score.duration for score in self.scores) / 60

    def seconds_per_minute(self) -> dict[str, float]:
        """Return the computing time of each metric, in seconds on one core for a minute of generated audio."""
        if not self.scores:
            return {}
        return {
            metric.name: sum(score.seconds.get(metric.name, 0.0) for score in self.scores) / self.audio_minutes
            for metric in self.metrics
        }

    def values(self, system: str, metric: str) -> np.ndarray:
        """Return the values of one metric for one system, (n,)."""
        return np.array([s.values[metric] for s in self.scores if s.system == system and metric in s.values])

    def summary(self, system: str, metric: str) -> Summary:
        """Return mean and bootstrap interval over the values, and the number of missing values."""
        if (system, metric) not in self._summaries:
            values = self.values(system, metric)
            mean = float(values.mean()) if len(values) else None
            interval = bootstrap_interval(values, self.confidence, seed=self.seed) if len(values) > 1 else (None, None)
            measured = sum(score.system == system for score in self.scores)
            self._summaries[system, metric] = Summary(mean, *interval, len(values), measured - len(values))
        return self._summaries[system, metric]
