"""Validation of effects: at knob settings that are never trained, on recordings that are not."""

import logging
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from recipes.audio_metrics import AudioMetrics
from recipes.data.effects.config import EffectDataConfig
from recipes.data.effects.loader import stack_pairs
from recipes.metrics.metric import Direction
from recipes.objectives.effect import is_heard

__all__ = ["EffectValidator", "floor_ratios"]

logger = logging.getLogger(__name__)

_FLOORS = ("valid/esr_identity", "valid/esr_constant_gain")


class EffectValidator:
    """Error-to-signal ratio at knob settings that are never trained, on recordings that are not.

    Args:
        dataset: pairs; item (recording, draw) is the same in every validation.
        objective: that of effects.
        batch_size: pairs that are computed together.
        config: pre-roll and number of items.
        metrics: what else is measured, in the time of the target and behind the pre-roll.
    """

    def __init__(
        self,
        dataset: Dataset[dict[str, Any]],
        objective: nn.Module,
        batch_size: int,
        config: EffectDataConfig,
        metrics: AudioMetrics,
    ) -> None:
        self.dataset, self.objective, self.batch_size, self.config = dataset, objective, batch_size, config
        self.metrics = metrics
        self.values = dict.fromkeys(objective.validation_units, Direction.LOWER) | metrics.values
        self._floors: dict[str, float] | None = None

    def run(self, model: nn.Module, step: int, board: Any = None) -> dict[str, float]:
        """Return the values of the model, and the ratio of the floors: the dry audio, and the best constant gain.

        Pauses are left out; where there is nothing else, no ratio is returned.
        """
        was_training, device = model.training, next(model.parameters()).device
        model.eval()
        total, count, floors = 0.0, 0, []
        for batch in self._batches():
            if self._floors is None:
                floors += floor_ratios(batch)
            batch = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in batch.items()}
            with torch.inference_mode():
                prediction, target, dry = self.objective.compared(model, batch)
                loss, number = self.objective.error_ratios(prediction, target)
            total, count = total + loss, count + number
            for item in is_heard(target).nonzero()[:, 0]:
                self.metrics.add(target[item], prediction[item], model.sample_rate, dry[item])
        model.train(was_training)
        if self._floors is None:
            means = [sum(ratios) / len(floors) for ratios in zip(*floors, strict=True)]
            self._floors = dict(zip(_FLOORS, means, strict=False))
            logger.info("floors: %s", ", ".join(f"{name} {value:.3g}" for name, value in self._floors.items()))
        if count == 0:
            logger.warning("step %d: all that would be validated is silent; the loss is undefined", step)
            return dict(self._floors)
        values = {name: unit * total / count for name, unit in self.objective.validation_units.items()}
        return values | self.metrics.means(step) | self._floors

    def _batches(self) -> Iterator[dict[str, Any]]:
        recordings = len(self.dataset)
        for first in range(0, self.config.valid_items, self.batch_size):
            numbers = range(first, min(first + self.batch_size, self.config.valid_items))
            yield stack_pairs([self.dataset[number % recordings, number] for number in numbers], self.config.pre_roll)


def floor_ratios(batch: dict[str, Any]) -> list[tuple[float, float]]:
    """Return for each pair that is heard the error-to-signal ratios of the dry audio and of the best constant gain."""
    ratios = []
    for dry, wet in zip(batch["audio"], batch["target"], strict=True):
        dry, wet = (x[..., int(batch["pre_roll"]) :].double() for x in (dry, wet))
        if not is_heard(wet[None]):
            continue
        energy = wet.square().sum()
        gain = (dry * wet).sum() / dry.square().sum().clamp(min=1e-12)
        ratios.append(tuple(float((wet - g * dry).square().sum() / energy) for g in (1.0, gain)))
    return ratios
