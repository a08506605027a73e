"""Training of effects on pairs of dry and wet audio, validated at held-out settings on unseen recordings."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from effects.knobs import KnobSet
from effects.models import EffectConfig
from effects.models.devices import DEVICES
from effects.processors import find_processor
from recipes.audio_metrics import AudioMetrics, Scores
from recipes.data.effects.config import EffectDataConfig
from recipes.data.effects.loader import EffectDataset, effect_dataset
from recipes.data.effects.recorded import RecordedDataset
from recipes.data.effects.rendered import collate_pairs
from recipes.effect_evaluation import constant_gain
from recipes.families import model_class
from recipes.objectives.effect import EffectObjective, is_heard
from recipes.tasks.task import Findings, Task, Validator, Visit
from recipes.tasks.waveforms import LossValidator
from vocoders.core.errors import ConfigError

__all__ = ["EffectValidator", "EffectsTask", "floor_ratios"]

# Samples of a recording that a model plays at a time.
_PIECE = 1 << 16
_FLOORS = ("valid/esr_identity", "valid/esr_constant_gain")


class EffectsTask(Task):
    """Training on rendered or recorded pairs of dry and wet audio at known knobs."""

    options: EffectDataConfig
    model: EffectConfig

    def read_model(self, model: Mapping[str, Any], effect: Mapping[str, Any] | None = None) -> EffectConfig:
        """Return the typed configuration of a model; by default it has the knobs of the processor or device."""
        knobs = None if effect is None else _known_knobs(EffectDataConfig.from_dict(effect, "effect", "effect"))
        if knobs is not None and "knobs" not in model:
            default: KnobSet = model_class(self.family).config_class.model_fields["knobs"].default
            model = {**model, "knobs": knobs.model_copy(update={"norm": default.norm}).to_dict()}
        config = super().read_model(model)
        assert isinstance(config, EffectConfig)
        return config

    def check_available(self) -> None:
        """Raise a :class:`MissingExtraError` if the processor needs a package that is not installed."""
        if self.options.processor is not None:
            find_processor(self.options.processor).check_available()

    def pairs(self, path: str, options: EffectDataConfig, held_out: bool = False) -> EffectDataset:
        """Return the pairs of a data directory; ``held_out``: at held-out settings."""
        return effect_dataset(self.data, options, self.model.knobs, self.model.sample_rate, path, held_out)

    def _read_options(self, effect: Mapping[str, Any] | None) -> EffectDataConfig:
        if effect is None:
            raise ConfigError(f"the section 'effect' is missing; set what {self.family} learns from")
        return EffectDataConfig.from_dict(effect, "effect", "effect")

    def _collate(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        return collate_pairs(items, self.options.pre_roll)

    def _training_set(self) -> EffectDataset:
        return self.pairs(self.data.train_directory, self.options)

    def _validator(self, path: str, objective: EffectObjective, folder: Path, metrics: AudioMetrics) -> Validator:
        return EffectValidator(self, path, objective, metrics)


class EffectValidator(LossValidator):
    """Error-to-signal ratio at held-out settings on unseen recordings.

    Pair (recording, draw) is the same in every validation. Metrics are those of the time of the target, after the
    pre-roll.
    """

    def __init__(self, task: EffectsTask, path: str, objective: EffectObjective, metrics: AudioMetrics) -> None:
        # Only recordings, unchanged: synthetic audio would dominate the mean.
        self.config = task.options.model_copy(update={"synthetic": 0.0, "moving": 0.0})
        self.dataset, self.batch_size = task.pairs(path, self.config, held_out=True), task.data.batch_size
        self.objective, self.metrics = objective, metrics
        self._floors: dict[str, tuple[float, float]] = {}
        self._scores: list[Scores] = []

    def _measure(self, model: Any, step: int, board: Any, visit: Visit) -> Findings:
        """Return the loss of a share of the pairs, and that of the floors: the dry audio, and the best constant gain.

        Pauses are left out; if there is nothing else, no ratio is returned.
        """
        self._scores = []
        found = super()._measure(model, step, board, visit)
        if not self._floors:
            ratios = [pair for number in visit(self.num_batches) for pair in floor_ratios(self._batch(number))]
            self._floors = {name: (sum(r[i] for r in ratios), len(ratios)) for i, name in enumerate(_FLOORS)}
        return Findings(found.sums | self._floors, self._scores)

    def _metric_means(self, scores: list[Scores], step: int) -> dict[str, float]:
        return self.metrics.means(scores, step)

    @property
    def num_batches(self) -> int:
        """Number of batches of a validation."""
        if self.config.valid_items is None:
            return len(self.dataset)
        return math.ceil(self.config.valid_items / self.batch_size)

    def _batch(self, number: int) -> dict[str, Any]:
        if self.config.valid_items is None:
            assert isinstance(self.dataset, RecordedDataset)
            return collate_pairs([self.dataset.whole(number)], self.config.pre_roll)
        first, recordings = number * self.batch_size, len(self.dataset)
        numbers = range(first, min(first + self.batch_size, self.config.valid_items))
        return collate_pairs([self.dataset[number % recordings, number] for number in numbers], self.config.pre_roll)

    def _loss(self, model: Any, batch: dict[str, Any]) -> tuple[float, int]:
        prediction, target, dry = self.objective.compared(model, batch, _PIECE)
        for item in is_heard(target).nonzero()[:, 0]:
            self._scores += self.metrics.scores(target[item], prediction[item], model.sample_rate, dry[item])
        return self.objective.error_ratios(prediction, target)


def floor_ratios(batch: dict[str, Any]) -> list[tuple[float, float]]:
    """Return the error-to-signal ratios of the dry audio and of the best constant gain, for each pair not silent."""
    ratios = []
    for dry, wet in zip(batch["audio"], batch["target"], strict=True):
        dry, wet = (x[..., int(batch["pre_roll"]) :].double() for x in (dry, wet))
        if not is_heard(wet[None]):
            continue
        energy = wet.square().sum()
        gains = (1.0, constant_gain(dry, wet))
        ratios.append(tuple(float((wet - gain * dry).square().sum() / energy) for gain in gains))
    return ratios


def _known_knobs(options: EffectDataConfig) -> KnobSet | None:
    """Return the knobs of the processor or device, if its name determines them."""
    if options.processor is not None:
        return find_processor(options.processor).knobs
    if options.device is None:
        return None
    if options.device not in DEVICES:
        raise ConfigError(f"unknown device '{options.device}'; known devices: {', '.join(DEVICES)}")
    return DEVICES[options.device]
