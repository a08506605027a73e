"""Training of estimators of F0 from a mel; validations compare them with the tracker of audio that teaches them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from recipes.audio_metrics import AudioMetrics
from recipes.data.dataset import UtteranceDataset
from recipes.data.loader import segment_dataset
from recipes.data.pitch import PitchSegments
from recipes.metrics.metric import Direction
from recipes.objectives import Objective
from recipes.tasks.features import FeaturesTask
from recipes.tasks.task import Validator, evenly_spread
from vocoders.core.measures import compare_f0

__all__ = ["PitchTask", "PitchValidator"]


class PitchTask(FeaturesTask):
    """Training on mels of changed segments, and the F0 of their audio."""

    makes_audio = False

    @property
    def losses(self) -> dict[str, Direction]:
        """The loss, and agreement with the teacher: F1 of voicing, gross errors in percent, median error in cents."""
        errors = dict.fromkeys(("valid/loss", "valid/gross_error", "valid/cents"), Direction.LOWER)
        return errors | {"valid/voicing_f1": Direction.HIGHER}

    def _training_set(self) -> PitchSegments:
        return segment_dataset(self.data, self.mel, self.front_end.f0, PitchSegments)

    def _validator(self, path: str, objective: Objective, folder: Path, metrics: AudioMetrics) -> Validator:
        return PitchValidator(self.utterances(path), objective, self.trainer.valid_utterances)


class PitchValidator(Validator):
    """Agreement with the teacher over all frames of a validation set.

    Args:
        dataset: whole utterances.
        objective: gives the loss.
        max_utterances: maximum number of utterances, evenly spread over the set.
    """

    def __init__(self, dataset: UtteranceDataset, objective: Objective, max_utterances: int | None = None) -> None:
        self.dataset, self.objective = dataset, objective
        self.indices = evenly_spread(len(dataset), max_utterances or len(dataset))

    def _measure(self, model: Any, step: int, board: Any) -> dict[str, float]:
        """Return the mean loss per frame, and the measures of :func:`~vocoders.core.measures.compare_f0`."""
        device = next(model.parameters()).device
        estimates, references, total = [], [], 0.0
        for index in self.indices:
            item = self.dataset[index]
            batch = {name: item[name][None].to(device) for name in ("features", "f0")}
            with torch.inference_mode():
                total += self.objective.validation_loss(model, batch)[0]
            estimates.append(model.estimate(batch["features"]).flatten().cpu().numpy())
            references.append(item["f0"].flatten().numpy())
        reference = np.concatenate(references)
        found = compare_f0(np.concatenate(estimates), reference)
        return {
            "valid/loss": total / len(reference),
            "valid/voicing_f1": found.voicing_f1,
            "valid/gross_error": 100 * found.gross_error,
            "valid/cents": found.median_cents,
        }
