"""Training of vocoders on features; validations synthesise fixed utterances from their features."""

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recipes.audio_metrics import AudioMetrics, Scores
from recipes.data.dataset import SegmentDataset, UtteranceDataset, check_segment
from recipes.data.device_mels import BatchMels, collate_windows
from recipes.data.features import STATISTICS_FILE
from recipes.data.loader import segment_dataset, utterance_dataset
from recipes.data.statistics import FeatureStatistics
from recipes.metrics.domain import SILENCE
from recipes.metrics.metric import Direction
from recipes.pictures import spectrogram_picture
from recipes.sections import TrainerConfig
from recipes.tasks.task import Findings, Task, Validator, Visit, evenly_spread
from vocoders.core.audio import write_audio
from vocoders.core.errors import ConfigError
from vocoders.frontends.mel import MelConfig

__all__ = ["CopySynthesisValidator", "FeaturesTask"]


class FeaturesTask(Task):
    """Training on segments of audio and their features."""

    @property
    def mel(self) -> MelConfig:
        """The mel that the features are.

        Raises:
            ConfigError: for a model with other features.
        """
        if self.front_end.mel is None:
            raise ConfigError(f"{self.family}: its front_end states no mel, and training needs one; state it")
        return self.front_end.mel

    @property
    def losses(self) -> dict[str, Direction]:
        """Distance of log-mels, and difference of levels."""
        return {"valid/mel_l1": Direction.LOWER, "valid/level_db": Direction.ZERO}

    def check_segment(self) -> None:
        """Raise a :class:`ConfigError` for a training segment that is not a whole number of frames."""
        check_segment(self.data.segment_length, self.mel.hop_length)

    def prepare(self, generator: Any) -> None:
        """Give a new model the statistics of the training features.

        Raises:
            ConfigError: if they are missing, or from audio at another level.
            DataError: if they are damaged, or from another front end.
        """
        if self.data.feature_dir is None or not generator.statistics:
            return
        path = Path(self.data.feature_dir) / STATISTICS_FILE
        if not path.exists():
            raise ConfigError(f"{path} is missing; run 'ondes features' on the training data")
        found = FeatureStatistics.load(path, self.front_end.fingerprint)
        if found.peak != self.data.peak:
            raise ConfigError(f"{path} was made with peak {found.peak}; data.peak is {self.data.peak}")
        values = asdict(found)
        generator.set_statistics(**{name: torch.as_tensor(values[name]).float() for name in generator.statistics})

    def utterances(self, path: str | Path, feature_dir: str | Path | None = None) -> UtteranceDataset:
        """Return the whole utterances of a data directory with their features; ``feature_dir`` contains their F0.

        Raises:
            DataError: for an unusable data directory, and F0 that is missing or from another front end.
        """
        changes = {} if feature_dir is None else {"feature_dir": str(feature_dir)}
        data, front_end = self.data.model_copy(update=changes), self.front_end
        return utterance_dataset(data, self.mel, front_end.f0, path, embedding=front_end.embedding)

    def complete(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a batch with its features, which it has without if they are computed on the device."""
        return self._batch_mels(batch)

    @cached_property
    def _batch_mels(self) -> BatchMels:
        return BatchMels(self.mel)

    def _collate(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        if self.data.mels == "device":
            return collate_windows(items, self.mel.hop_length)
        return super()._collate(items)

    def _training_set(self) -> SegmentDataset:
        return segment_dataset(self.data, self.mel, self.front_end.f0, embedding=self.front_end.embedding)

    def _validator(self, path: str, objective: Any, folder: Path, metrics: AudioMetrics) -> Validator:
        return CopySynthesisValidator(self.utterances(path), folder, self.trainer, metrics)


class CopySynthesisValidator(Validator):
    """Copy-synthesis of a validation set from its features; audio and pictures of the first clips go to ``folder``."""

    # Longer utterances are cut; of more utterances, an evenly spread subset is used.
    max_seconds, max_utterances = 6.0, 20

    def __init__(self, dataset: UtteranceDataset, folder: Path, options: TrainerConfig, metrics: AudioMetrics) -> None:
        self.dataset, self.folder, self.num_clips, self.metrics = dataset, folder, options.valid_clips, metrics
        self.indices = evenly_spread(len(dataset), options.valid_utterances or self.max_utterances)

    def _measure(self, model: Any, step: int, board: Any, visit: Visit) -> Findings:
        """Synthesise a share of the utterances, and write the clips of this step.

        Returns:
            ``valid/mel_l1``: absolute differences of log-mels (model's front end); ``valid/level_db``: level
            differences where the reference is heard; the scores of the metrics.
        """
        distances, levels, scores = [], [], []
        for number in visit(len(self.indices)):
            item = self.dataset[self.indices[number]]
            reference, output = self._synthesize(model, item)
            with torch.inference_mode():
                distance = (model.log_mel(output) - model.log_mel(reference)).abs().mean()
            distances.append(float(distance))
            if float(reference.square().mean()) > SILENCE:
                levels.append(_level_db(output) - _level_db(reference))
            scores += self.metrics.scores(reference[0], output[0], model.sample_rate)
            if number < self.num_clips:
                self._store(model.sample_rate, item["utt_id"], reference, output, step, board)
        own = {"valid/mel_l1": distances, "valid/level_db": levels}
        return Findings({name: (sum(found), len(found)) for name, found in own.items()}, scores)

    def _metric_means(self, scores: list[Scores], step: int) -> dict[str, float]:
        return self.metrics.means(scores, step)

    def _synthesize(self, model: Any, item: dict[str, Any]) -> tuple[Tensor, Tensor]:
        frames = int(self.max_seconds * model.sample_rate / model.hop_length)
        inputs = {key: item[key][..., :frames][None] for key in ("features", "f0") if key in item}
        reference = item["audio"][None, :, : frames * model.hop_length]
        output = model.synthesize(**inputs)
        return reference.to(output.device), output

    def _store(self, rate: int, name: str, reference: Tensor, output: Tensor, step: int, board: Any) -> None:
        folder = self.folder / f"step-{step:08d}"
        pairs = {"reference": reference[0].cpu(), "output": output[0].cpu()}
        for kind, audio in pairs.items():
            write_audio(folder / f"{name}.{kind}.wav", audio.clamp(-1, 1), rate)
        picture = spectrogram_picture(pairs, rate, folder / f"{name}.png")
        if board is not None:
            board.add_audio(f"{name}/output", pairs["output"].clamp(-1, 1), step, rate)
            board.add_image(name, picture, step, dataformats="HWC")


def _level_db(audio: Tensor) -> float:
    return float(10 * torch.log10(audio.square().mean() + 1e-12))
