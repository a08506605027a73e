"""Metrics of ``ondes evaluate`` on the audio of validations."""

import logging
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from recipes.metrics.evaluation import measure
from recipes.metrics.metric import Direction, UndefinedMetricError
from recipes.metrics.registry import expand_names, find_metrics

__all__ = ["AudioMetrics", "Scores", "audio_metric_names"]

logger = logging.getLogger(__name__)

#: Values and errors of the metrics of an utterance, by the name of the metric.
Scores = tuple[dict[str, float], dict[str, Exception]]


def audio_metric_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of these metrics' values in validations.

    Raises:
        ConfigError: for an unknown name.
    """
    return tuple(map(_value_name, expand_names(names))) if names else ()


class AudioMetrics:
    """Means of metrics over the utterances of a validation.

    A mean leaves out utterances for which the metric is undefined. A metric that fails, or is undefined for more than
    half of the utterances, has no value in this validation, since it would not be comparable.

    Args:
        names: names of metrics, as in ``ondes evaluate audio --metrics``.
        has_dry: whether the input of an effect is known.

    Raises:
        ConfigError: for an unknown metric, or one that needs an effect's input where there is none.
        MissingExtraError: if the package of a named metric is not installed.
    """

    def __init__(self, names: Iterable[str] = (), has_dry: bool = False) -> None:
        self._metrics = []
        #: Metrics that cannot run on this machine, with the reason.
        self.not_run: dict[str, str] = {}
        if names:
            # Some load networks, which draw initial weights; training must not depend on that.
            with torch.random.fork_rng(devices=()):
                self._metrics, not_run = find_metrics(names, has_dry)
            self.not_run = {_value_name(name): reason for name, reason in not_run.items()}
        for reason in dict.fromkeys(self.not_run.values()):
            logger.warning("not computed in validations: %s", reason)
        #: Better direction of each value, by its name.
        self.values: dict[str, Direction] = {_value_name(metric.name): metric.direction for metric in self._metrics}

    def scores(self, reference: Tensor, generated: Tensor, sample_rate: int, dry: Tensor | None = None) -> list[Scores]:
        """Measure an utterance: audio (C, T) each, ``dry`` the input of an effect; empty without metrics."""
        if not self._metrics:
            return []
        with torch.random.fork_rng(devices=()):
            return [measure(reference, generated, sample_rate, self._metrics, dry)]

    def means(self, found: Sequence[Scores], step: int) -> dict[str, float]:
        """Return the means over utterances, for metrics that have one."""
        means = {}
        for metric in self._metrics:
            values = [these[metric.name] for these, _ in found if metric.name in these]
            errors = [these[metric.name] for _, these in found if metric.name in these]
            failures = [error for error in errors if not isinstance(error, UndefinedMetricError)]
            has_mean = bool(values) and not failures and len(values) >= len(found) / 2
            if has_mean:
                means[_value_name(metric.name)] = sum(values) / len(values)
            if errors:
                tell = logger.info if has_mean else logger.warning
                what = f"left out {len(errors)}" if has_mean else f"no mean, without a value for {len(errors)}"
                text = f"{what} of {len(found)} utterances: {(failures or errors)[0]}"
                tell("step %d: %s: %s", step, _value_name(metric.name), text)
        return means


def _value_name(metric: str) -> str:
    # Not valid/: mel_l1 of the evaluation differs from that of the model's front end.
    return f"metric/{metric.partition(':')[0]}"
