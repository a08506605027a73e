"""Data sets of a run from its ``data`` section, and the endless loader of training batches."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from recipes.data.cache import F0Cache, f0_fingerprint
from recipes.data.config import DataConfig
from recipes.data.dataset import SegmentDataset, TrainingSet, UtteranceDataset
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.predicted import PredictedFeatures
from recipes.data.reading import AudioReader
from recipes.data.sampler import BalancedOrder, Order, ShuffledOrder, StepBatchSampler
from recipes.data.waveforms import PieceDataset, WaveformDataset
from recipes.data.workers import BatchLoader
from vocoders.core.errors import ConfigError, DataError
from vocoders.frontends.f0 import F0Config
from vocoders.frontends.front_end import FrontEnd
from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.plausibility import check_plausible

__all__ = [
    "build_piece_dataset",
    "endless_loader",
    "segment_dataset",
    "utterance_dataset",
    "waveform_dataset",
]

logger = logging.getLogger(__name__)

Segments = TypeVar("Segments", bound=SegmentDataset)


def endless_loader(
    dataset: TrainingSet,
    config: DataConfig,
    collate: Callable[[list[Any]], dict[str, Any]],
    start_step: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> BatchLoader:
    """Return an endless loader of training batches, from the batch of ``start_step``.

    The loader already knows its process (``rank`` of ``world_size``): it must not be sharded again.

    Args:
        dataset: the items.
        config: the ``data`` section.
        collate: function from items to a batch.
        start_step: step to resume at.
        rank: number of this process.
        world_size: number of processes.
    """
    reader = dataset.reader
    order = _order(config, reader.utterances, reader.sample_rate)
    sampler = StepBatchSampler(order, config.batch_size, rank, world_size, start_step)
    return BatchLoader(dataset, sampler, collate, config.num_workers, config.seed)


def segment_dataset(
    config: DataConfig, mel: MelConfig, f0: F0Config | None = None, segments: type[Segments] = SegmentDataset
) -> Segments:
    """Return training segments with their features.

    Args:
        config: the ``data`` section.
        mel: front end.
        f0: pitch tracker of a model with F0.
        segments: class of the data set.

    Raises:
        DataError: for an unusable data directory, and F0 that is missing or from another front end.
        ConfigError: for a segment that is not a whole number of frames, or paths that are not set.
    """
    if config.pause_seconds is not None:
        raise ConfigError("data.pause_seconds is for models of audio itself; this one has features, leave it out")
    directory, reader = _training_audio(config, mel.sample_rate, mel.hop_length)
    utterances = reader.utterances
    cache, predicted = _f0_cache(config, mel, f0, utterances), _predicted(config, directory.path, reader, mel)
    return segments(
        reader, mel, config.segment_length, f0=cache, predicted=predicted, gain_db=config.gain_db, seed=config.seed
    )


def utterance_dataset(config: DataConfig, mel: MelConfig, f0: F0Config | None, path: str | Path) -> UtteranceDataset:
    """Return the whole utterances of a data directory with their features; errors as in :func:`segment_dataset`."""
    directory, reader = _audio(config, path, mel.sample_rate)
    cache = _f0_cache(config, mel, f0, reader.utterances)
    return UtteranceDataset(reader, mel, cache, _predicted(config, directory.path, reader, mel))


def waveform_dataset(config: DataConfig, front_end: FrontEnd) -> WaveformDataset:
    """Return training segments of audio without features, with labels if the model has any.

    Raises:
        DataError: for an unusable data directory, or an utterance whose text is not a label of the model.
        ConfigError: if no directory is named.
    """
    _, reader = _training_audio(config, front_end.sample_rate, front_end.hop_length)
    return WaveformDataset(
        reader, config.segment_length, config.gain_db, config.seed, config.pause_seconds, front_end.labels
    )


def build_piece_dataset(
    config: DataConfig,
    front_end: FrontEnd,
    path: str | Path,
    longest: int | None = None,
    needs_labels: bool = False,
) -> PieceDataset:
    """Return every sample of a data directory once, read like the training data.

    Args:
        config: the ``data`` section.
        front_end: front end of the model.
        path: the data directory.
        longest: length of a piece in samples; ``None``: whole utterances.
        needs_labels: whether a text that is not a label of the model is an error; else pieces have labels only if the
            texts of all utterances are labels.

    Raises:
        DataError: for an unusable data directory.
    """
    directory, reader = _audio(config, path, front_end.sample_rate)
    labels = front_end.labels
    if labels and not needs_labels and not all(utterance.text in labels for utterance in directory):
        logger.warning("%s: not every text is a label of the model; taken without labels, as the mean of all", path)
        labels = ()
    return PieceDataset(reader, longest, labels)


def _order(config: DataConfig, utterances: Sequence[Utterance], sample_rate: int) -> Order:
    """Return the order in which training draws utterances."""
    seconds = config.segment_length / sample_rate
    by_duration = config.weighting == "duration"
    repeats = [max(1, round(u.duration / seconds)) if by_duration else 1 for u in utterances]
    if config.balance_speakers:
        return BalancedOrder([utterance.speaker for utterance in utterances], repeats, config.seed)
    return ShuffledOrder(repeats, config.seed)


def _audio(config: DataConfig, path: str | Path, sample_rate: int) -> tuple[KaldiDirectory, AudioReader]:
    directory = KaldiDirectory.read(path)
    reader = AudioReader(directory.utterances, sample_rate, config.resample, config.peak, config.in_memory)
    return directory, reader


def _training_audio(config: DataConfig, sample_rate: int, hop_length: int) -> tuple[KaldiDirectory, AudioReader]:
    """Return the training set without utterances shorter than a segment."""
    directory = KaldiDirectory.read(config.train_directory)
    shortest = config.segment_length if config.shorter == "drop" else hop_length
    if config.features == "predicted":
        # They cannot be padded (the output of the acoustic model for silence is unknown) and may lack a frame or two.
        shortest = config.segment_length + 2 * hop_length
    kept = tuple(u for u in directory if round(u.duration * sample_rate) >= shortest)
    if len(kept) < len(directory):
        count = len(directory) - len(kept)
        logger.warning("%s: %d utterances shorter than %d samples left out", directory.path, count, shortest)
    if not kept:
        raise DataError(f"{directory.path}: no utterance has {shortest} samples; lower data.segment_length")
    return directory, AudioReader(kept, sample_rate, config.resample, config.peak, config.in_memory)


def _f0_cache(
    config: DataConfig, mel: MelConfig, f0: F0Config | None, utterances: Sequence[Utterance]
) -> F0Cache | None:
    if f0 is None:
        return None
    if config.feature_dir is None:
        raise ConfigError("data.feature_dir is not set; the model needs F0: run 'ondes features' and name its folder")
    cache = F0Cache(config.feature_dir, f0_fingerprint(f0, mel.sample_rate, mel.hop_length))
    _check_complete(cache.folder, cache.missing(u.utt_id for u in utterances), "F0; run 'ondes features' on this data")
    return cache


def _predicted(config: DataConfig, path: Path, reader: AudioReader, mel: MelConfig) -> PredictedFeatures | None:
    """Return the predicted features, with a warning if the first ones are no mel."""
    if config.features == "computed":
        return None
    predicted, utterances = PredictedFeatures(path), reader.utterances
    _check_complete(predicted.path, predicted.missing(u.utt_id for u in utterances), "predicted features")
    first = utterances[0].utt_id
    try:
        check_plausible(predicted.get(first), MelConvention(mel=mel), str(predicted.path_of(first)))
    except DataError as error:  # shape, length and NaN are errors where they are read
        logger.warning("%s; the features should be log-mels of the recordings: %s", error, mel.fingerprint)
    return predicted


def _check_complete(place: Path, missing: Sequence[str], what: str) -> None:
    if missing:
        raise DataError(f"{place}: {len(missing)} utterances such as '{missing[0]}' have no {what}")
