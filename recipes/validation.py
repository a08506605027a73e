"""Validation on fixed utterances: mel distance, audio and spectrogram pictures; or the objective's own loss."""

import logging
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from recipes.audio_metrics import AudioMetrics
from recipes.data.waveforms import PieceDataset, collate_padded
from recipes.metrics.domain import SILENCE
from recipes.metrics.metric import Direction
from recipes.pictures import spectrogram_picture
from vocoders.core.audio import write_audio

__all__ = ["LossValidator", "Validator"]

logger = logging.getLogger(__name__)


class Validator:
    """Copy-synthesis of a validation set from its features.

    Args:
        dataset: whole utterances.
        folder: where audio and pictures of the first clips go.
        num_clips: how many of them.
        metrics: what else is measured.
        max_utterances: at most this many utterances are synthesised, evenly spread over the set.
        max_seconds: longer utterances are cut.
    """

    #: What it gives by itself, and which values are better.
    own_values: ClassVar[dict[str, Direction]] = {
        "valid/mel_l1": Direction.LOWER,
        "valid/level_db": Direction.ZERO,
    }

    def __init__(
        self,
        dataset: Dataset,
        folder: Path,
        num_clips: int,
        metrics: AudioMetrics,
        max_utterances: int = 20,
        max_seconds: float = 6.0,
    ) -> None:
        self.dataset, self.folder, self.num_clips, self.max_seconds = dataset, folder, num_clips, max_seconds
        self.metrics = metrics
        self.values = self.own_values | metrics.values
        self.indices = _spread(len(dataset), max_utterances)

    def run(self, model: nn.Module, step: int, board: Any = None) -> dict[str, float]:
        """Synthesise, write the clips of this step and return the mean metrics.

        Returns:
            ``valid/mel_l1``: mean absolute difference of log-mels (model's front end); ``valid/level_db``: mean level
            difference where the reference is heard, absent if it never is; ``metric/NAME``: what else is measured.
        """
        was_training = model.training
        model.eval()
        distances, levels = [], []
        for number, index in enumerate(self.indices):
            item = self.dataset[index]
            reference, output = self._synthesize(model, item)
            with torch.inference_mode():
                distance = (model.log_mel(output) - model.log_mel(reference)).abs().mean()
            distances.append(float(distance))
            if float(reference.square().mean()) > SILENCE:
                levels.append(_level_db(output) - _level_db(reference))
            self.metrics.add(reference[0], output[0], model.sample_rate)
            if number < self.num_clips:
                self._store(model, item["utt_id"], reference, output, step, board)
        model.train(was_training)
        values = {"valid/mel_l1": distances, "valid/level_db": levels}
        means = {name: sum(found) / len(found) for name, found in values.items() if found}
        return means | self.metrics.means(step)

    def _synthesize(self, model: nn.Module, item: dict[str, Any]) -> tuple[Tensor, Tensor]:
        frames = int(self.max_seconds * model.sample_rate / model.hop_length)
        inputs = {key: item[key][..., :frames][None] for key in ("features", "f0") if key in item}
        reference = item["audio"][None, :, : frames * model.hop_length]
        output = model.synthesize(**inputs)
        return reference.to(output.device), output

    def _store(self, model: nn.Module, name: str, reference: Tensor, output: Tensor, step: int, board: Any) -> None:
        folder = self.folder / f"step-{step:08d}"
        pairs = {"reference": reference[0].cpu(), "output": output[0].cpu()}
        for kind, audio in pairs.items():
            write_audio(folder / f"{name}.{kind}.wav", audio.clamp(-1, 1), model.sample_rate)
        picture = spectrogram_picture(pairs, model.sample_rate, folder / f"{name}.png")
        if board is not None:
            board.add_audio(f"{name}/output", pairs["output"].clamp(-1, 1), step, model.sample_rate)
            board.add_image(name, picture, step, dataformats="HWC")


class LossValidator:
    """Loss of the objective on pieces of utterances, for models without features.

    Args:
        dataset: the pieces.
        objective: with ``validation_loss(generator, batch) -> (sum, count)`` and ``validation_units``.
        batch_size: pieces of similar length that are computed together.
        max_pieces: at most this many, evenly spread over the set.
    """

    def __init__(
        self, dataset: PieceDataset, objective: nn.Module, batch_size: int, max_pieces: int | None = None
    ) -> None:
        self.dataset, self.objective, self.batch_size = dataset, objective, batch_size
        self.values = dict.fromkeys(objective.validation_units, Direction.LOWER)
        self.indices = sorted(_spread(len(dataset), max_pieces or len(dataset)), key=dataset.length)

    def run(self, model: nn.Module, step: int, board: Any = None) -> dict[str, float]:
        """Return the mean loss over all that the pieces hold, in each of the objective's units."""
        was_training, device = model.training, next(model.parameters()).device
        model.eval()
        total, count = 0.0, 0
        for first in range(0, len(self.indices), self.batch_size):
            batch = collate_padded([self.dataset[index] for index in self.indices[first : first + self.batch_size]])
            batch = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in batch.items()}
            with torch.inference_mode():
                loss, number = self.objective.validation_loss(model, batch)
            total, count = total + loss, count + number
        model.train(was_training)
        return {name: unit * total / count for name, unit in self.objective.validation_units.items()}


def _spread(count: int, wanted: int) -> list[int]:
    """Return at most ``wanted`` indices below ``count``, evenly spread."""
    return sorted({round(i * (count - 1) / max(wanted - 1, 1)) for i in range(wanted)})


def _level_db(audio: Tensor) -> float:
    return float(10 * torch.log10(audio.square().mean() + 1e-12))
