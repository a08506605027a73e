"""Training of estimators of F0 from a mel; validations compare them with the tracker of audio that teaches them."""

from pathlib import Path
from typing import Any

import torch

from recipes.audio_metrics import AudioMetrics
from recipes.data.dataset import UtteranceDataset
from recipes.data.loader import segment_dataset
from recipes.data.pitch import PitchSegments
from recipes.metrics.metric import Direction
from recipes.objectives import Objective
from recipes.tasks.features import FeaturesTask
from recipes.tasks.task import Findings, Validator, Visit, evenly_spread
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

    def _measure(self, model: Any, step: int, board: Any, visit: Visit) -> Findings:
        """Return the loss per frame, the measures of all frames, and the mean of the utterances' median errors."""
        device = next(model.parameters()).device
        loss, frames, cents, found = 0.0, 0, [], []
        for number in visit(len(self.indices)):
            item = self.dataset[self.indices[number]]
            batch = {name: item[name][None].to(device) for name in ("features", "f0")}
            with torch.inference_mode():
                total, count = self.objective.validation_loss(model, batch)
            loss, frames = loss + total, frames + count
            estimate = model.estimate(batch["features"]).flatten().cpu().numpy()
            found.append(compare_f0(estimate, item["f0"].flatten().numpy()))
            if found[-1].common_frames:
                cents.append(found[-1].median_cents)
        common = sum(one.common_frames for one in found)
        return Findings(
            {
                "valid/loss": (loss, frames),
                "valid/gross_error": (100 * sum(one.gross_frames for one in found), common),
                "valid/cents": (sum(cents), len(cents)),
                "valid/voicing_f1": (2 * common, sum(one.voiced_frames for one in found)),
            }
        )
