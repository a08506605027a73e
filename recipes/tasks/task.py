"""Base class of tasks, the kinds of training: source of batches, validation, and its values."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from recipes.audio_metrics import AudioMetrics, Scores, audio_metric_names
from recipes.data.config import DataConfig
from recipes.data.dataset import TrainingSet, collate
from recipes.data.loader import endless_loader
from recipes.data.workers import BatchLoader
from recipes.families import kind_of, model_class
from recipes.metrics.metric import Direction
from recipes.objectives import Objective
from recipes.progress import track
from recipes.sections import TrainerConfig
from vocoders.core.config import Config
from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.pretrained import evaluating
from vocoders.frontends.front_end import FrontEnd, ModelConfig

__all__ = ["Findings", "Task", "Validator", "Visit", "evenly_spread"]


#: From a number of utterances or batches to the numbers of those that this process measures.
Visit = Callable[[int], Iterator[int]]


@dataclass(frozen=True)
class Findings:
    """What a process found in its share of a validation.

    Attributes:
        sums: sum of each value, and the number of its terms.
        scores: values and errors of the metrics of each utterance.
    """

    sums: dict[str, tuple[float, float]]
    scores: list[Scores] = field(default_factory=list)


class Validator(ABC):
    """Measures a model; ``values`` are the names of its values, with their better direction."""

    values: dict[str, Direction]

    def run(self, model: nn.Module, step: int, board: Any = None) -> dict[str, float]:
        """Return the values of a model after ``step`` updates; ``board`` takes audio and pictures (TensorBoard)."""
        return self.combine([self.measure(model, step, board)], step)

    def measure(
        self,
        model: nn.Module,
        step: int,
        board: Any = None,
        rank: int = 0,
        world_size: int = 1,
        check: Callable[[], None] = lambda: None,
    ) -> Findings:
        """Return the findings of a process in its share: every ``world_size``-th utterance or batch from ``rank``.

        ``check`` is called before each, and may raise to end the validation.
        """

        def visit(count: int) -> Iterator[int]:
            numbers = range(rank, count, world_size)
            for number in track(numbers, f"step {step}: validation", len(numbers)):
                check()
                yield number

        with evaluating(model):
            return self._measure(model, step, board, visit)

    def combine(self, findings: Sequence[Findings], step: int) -> dict[str, float]:
        """Return the values from the findings of all processes."""
        means = {}
        for name in dict.fromkeys(name for found in findings for name in found.sums):
            sums = [found.sums[name] for found in findings if name in found.sums]
            count = sum(count for _, count in sums)
            if count:
                means[name] = sum(total for total, _ in sums) / count
        return means | self._metric_means([score for found in findings for score in found.scores], step)

    def _metric_means(self, scores: list[Scores], step: int) -> dict[str, float]:
        """Return the means of metrics; a validator without metrics has none."""
        del scores, step
        return {}

    @abstractmethod
    def _measure(self, model: Any, step: int, board: Any, visit: Visit) -> Findings:
        """Return the findings in a share of the utterances or batches; the model is in evaluation mode."""


class Task(ABC):
    """One kind of training, with the configuration of a run.

    Args:
        family: family of the model.
        model: the section ``model``.
        effect: the section ``effect``, only for effects.
        data: the section ``data``.
        trainer: the section ``trainer``.
        objective: class of the objective.

    Attributes:
        model: typed configuration of the model.
        options: typed section ``effect``; ``None``: there is none.
        makes_audio: whether validations make audio that can be compared with a recording.

    Raises:
        ConfigError: for a model or a section that is wrong, or an objective of another kind.
    """

    makes_audio = True

    def __init__(
        self,
        family: str,
        model: Mapping[str, Any],
        effect: Mapping[str, Any] | None,
        data: DataConfig,
        trainer: TrainerConfig,
        objective: type[Objective],
    ) -> None:
        if not issubclass(objective, Objective):
            raise ConfigError(f"{objective.__name__} does not derive from recipes.objectives.Objective; name another")
        if (kind := kind_of(family, model)) not in objective.kinds:
            known = " or ".join(f"'{known}'" for known in objective.kinds)
            raise ConfigError(f"{family} is of the kind '{kind}', and the objective trains {known}; name another")
        self.family, self.data, self.trainer, self.objective = family, data, trainer, objective
        self.options = self._read_options(effect)
        self.model = self.read_model(model, effect)

    def read_model(self, model: Mapping[str, Any], effect: Mapping[str, Any] | None = None) -> ModelConfig:
        """Return the typed configuration of a model of the family, from the sections of a run."""
        del effect
        return model_class(self.family).config_class.from_dict(model, self.family, "model")

    @property
    def front_end(self) -> FrontEnd:
        """The front end of the model."""
        return self.model.front_end

    def check_available(self) -> None:
        """Raise a :class:`MissingExtraError` if the run needs a package that is not installed."""
        return

    def check_segment(self) -> None:
        """Raise a :class:`ConfigError` for a training segment that does not fit the front end."""
        return

    def check_front_end(self, trained: ModelConfig) -> None:
        """Raise a :class:`CheckpointError` for an initial model with other features."""
        found, expected = trained.front_end, self.front_end.fingerprint
        if found.mel is not None and found.fingerprint != expected:
            raise CheckpointError(
                f"the weights to start from take other features: {found.fingerprint}; this run has {expected}"
            )

    def prepare(self, generator: Any) -> None:
        """Give a new model the statistics of the training data that it needs."""
        del generator

    def loader(self, start_step: int = 0, rank: int = 0, world_size: int = 1) -> BatchLoader:
        """Return the endless loader of training batches, see :func:`~recipes.data.loader.endless_loader`."""
        return endless_loader(self._training_set(), self.data, self._collate, start_step, rank, world_size)

    def complete(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a batch on the device, with what is computed there."""
        return batch

    def validator(self, objective: Any, folder: Path) -> Validator | None:
        """Return the validator of the run; ``None`` without validation data.

        Args:
            objective: objective of the run.
            folder: folder of the run; its ``valid`` is for audio of validations.

        Raises:
            ConfigError: if the metric of the best checkpoint cannot run on this machine.
            DataError: for an unusable data directory.
        """
        if self.data.valid is None:
            return None
        metrics = AudioMetrics(self.trainer.valid_metrics, has_dry=self.options is not None)
        if self.best_metric in metrics.not_run:
            raise ConfigError(f"trainer.best_metric '{self.best_metric}': {metrics.not_run[self.best_metric]}")
        validator = self._validator(self.data.valid, objective, folder / "valid", metrics)
        validator.values = self.losses | metrics.values
        return validator

    @property
    def losses(self) -> dict[str, Direction]:
        """Values of every validation, with their better direction; the first is the loss."""
        return dict.fromkeys(self.objective.validation_units, Direction.LOWER)

    @property
    def value_names(self) -> tuple[str, ...]:
        """Values of a validation that depend on the model; the first is its loss.

        Raises:
            ConfigError: if ``trainer.valid_metrics`` holds an unknown metric, or validations make no audio.
        """
        metrics = audio_metric_names(self.trainer.valid_metrics)
        if metrics and not self.makes_audio:
            raise ConfigError(
                f"trainer.valid_metrics: a {self.family} model without features makes no audio that could be compared; "
                f"leave it out (validations give {', '.join(self.losses)})"
            )
        return (*self.losses, *metrics)

    @property
    def best_metric(self) -> str | None:
        """Name of the value that determines the best checkpoint; ``None`` without values.

        Raises:
            ConfigError: if no validation of this run gives ``trainer.best_metric``.
        """
        best, names = self.trainer.best_metric, self.value_names
        if best is None:
            return next(iter(names), None)
        found = [name for name in names if best in (name, name.partition("/")[2])]
        if len(found) == 1:
            return found[0]
        near = [] if found else difflib.get_close_matches(best, names, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        more = " (trainer.valid_metrics adds metrics of 'ondes evaluate')" if self.makes_audio else ""
        raise ConfigError(
            f"trainer.best_metric '{best}' is {'several values' if found else 'no value'} of a validation; {hint}"
            f"expected one of {', '.join(names)}{more}"
        )

    def _read_options(self, effect: Mapping[str, Any] | None) -> Config | None:
        if effect is not None:
            raise ConfigError(f"the section 'effect' is for models of effects, and {self.family} is none; leave it out")
        return None

    def _collate(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        return collate(items)

    @abstractmethod
    def _training_set(self) -> TrainingSet:
        """Return the data set of the batches."""

    @abstractmethod
    def _validator(self, path: str, objective: Any, folder: Path, metrics: AudioMetrics) -> Validator:
        """Return the validator for the data directory ``path``."""


def evenly_spread(count: int, most: int) -> list[int]:
    """Return at most ``most`` indices below ``count``, evenly spread."""
    return sorted({round(i * (count - 1) / max(most - 1, 1)) for i in range(most)})
