"""Training of generators on audio without features; validations compute the objective's loss."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from recipes.audio_metrics import AudioMetrics
from recipes.data.dataset import move_batch
from recipes.data.loader import build_piece_dataset, waveform_dataset
from recipes.data.waveforms import PieceDataset, WaveformDataset, collate_padded
from recipes.objectives import Objective
from recipes.tasks.task import Findings, Task, Validator, Visit, evenly_spread

__all__ = ["LossValidator", "WaveformsTask"]

logger = logging.getLogger(__name__)


class WaveformsTask(Task):
    """Training on segments of audio, with labels if the model has any."""

    makes_audio = False

    def _training_set(self) -> WaveformDataset:
        return waveform_dataset(self.data, self.front_end)

    def _validator(self, path: str, objective: Objective, folder: Path, metrics: AudioMetrics) -> Validator:
        pieces = build_piece_dataset(self.data, self.front_end, path, self.data.segment_length, needs_labels=True)
        return LossValidator(pieces, objective, self.data.batch_size, self.trainer.valid_utterances)


class LossValidator(Validator):
    """Loss of the objective on pieces of utterances.

    Args:
        dataset: the pieces.
        objective: with ``validation_loss`` and ``validation_units``.
        batch_size: number of pieces of similar length in a batch.
        max_pieces: maximum number of pieces, evenly spread over the set.
    """

    def __init__(
        self, dataset: PieceDataset, objective: Objective, batch_size: int, max_pieces: int | None = None
    ) -> None:
        self.dataset, self.objective, self.batch_size = dataset, objective, batch_size
        self.indices = sorted(evenly_spread(len(dataset), max_pieces or len(dataset)), key=dataset.length)

    def _measure(self, model: Any, step: int, board: Any, visit: Visit) -> Findings:
        """Return the loss of a share of the batches, in each of the objective's units."""
        device = next(model.parameters()).device
        total, count = 0.0, 0
        for number in visit(self.num_batches):
            with torch.inference_mode():
                loss, terms = self._loss(model, move_batch(self._batch(number), device))
            total, count = total + loss, count + terms
        return Findings({name: (unit * total, count) for name, unit in self.objective.validation_units.items()})

    def combine(self, findings: Sequence[Findings], step: int) -> dict[str, float]:
        """Return the mean losses; none if there is nothing to hear."""
        values = super().combine(findings, step)
        if not values:
            logger.warning("step %d: all that would be validated is silent; the loss is undefined", step)
        return values

    @property
    def num_batches(self) -> int:
        """Number of batches of a validation."""
        return math.ceil(len(self.indices) / self.batch_size)

    def _batch(self, number: int) -> dict[str, Any]:
        first = number * self.batch_size
        return collate_padded([self.dataset[index] for index in self.indices[first : first + self.batch_size]])

    def _loss(self, model: Any, batch: dict[str, Any]) -> tuple[float, int]:
        return self.objective.validation_loss(model, batch)
