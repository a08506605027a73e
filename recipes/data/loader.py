"""Data sets of a run from its ``data`` section, and the endless loader of training batches."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from recipes.data.cache import F0Cache, f0_fingerprint
from recipes.data.config import DataConfig
from recipes.data.dataset import SegmentDataset, TrainingSet, UtteranceDataset
from recipes.data.kaldi import KaldiDirectory
from recipes.data.predicted import PredictedFeatures
from recipes.data.reading import AudioReader
from recipes.data.sampler import BalancedOrder, Order, ShuffledOrder, StepBatchSampler
from recipes.data.shards.index import ShardIndex, holds_shards
from recipes.data.shards.order import ShardOrder
from recipes.data.shards.reading import ShardF0, ShardReader
from recipes.data.waveforms import PieceDataset, WaveformDataset
from recipes.data.workers import BatchLoader
from vocoders.core.errors import ConfigError, DataError
from vocoders.frontends.f0 import F0Config
from vocoders.frontends.front_end import FrontEnd
from vocoders.frontends.mel import MelConfig

__all__ = [
    "build_piece_dataset",
    "endless_loader",
    "segment_dataset",
    "utterance_dataset",
    "waveform_dataset",
]

logger = logging.getLogger(__name__)

# Predicted features that are looked at when training begins; stage 1 of a recipe looks at all.
_LOOKED_AT = 20

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
    order = _order(config, dataset.reader, config.items_per_process(world_size) * world_size)
    if isinstance(order, ShardOrder) and isinstance(dataset.reader, ShardReader):
        own = -(-order.workers // max(config.num_workers, 1)) * -(-order.parts // world_size)
        dataset.reader.max_streams = own + 1
    sampler = StepBatchSampler(order, config.items_per_process(world_size), rank, world_size, start_step)
    return BatchLoader(dataset, sampler, collate, config.num_workers, config.seed)


def segment_dataset(
    config: DataConfig,
    mel: MelConfig,
    f0: F0Config | None = None,
    segments: type[Segments] = SegmentDataset,
    *,
    embedding: bool = False,
) -> Segments:
    """Return training segments with their features.

    Args:
        config: the ``data`` section.
        mel: front end.
        f0: pitch tracker of a model with F0.
        segments: class of the data set.
        embedding: predicted features are no mels, although they have their shape.

    Raises:
        DataError: for an unusable data directory, and F0 that is missing or from another front end.
        ConfigError: for a segment that is not a whole number of frames, or paths that are not set.
    """
    if config.pause_seconds is not None:
        raise ConfigError("data.pause_seconds is for models of audio itself; this one has features, leave it out")
    if config.mels == "device" and segments is not SegmentDataset:
        raise ConfigError("data.mels: device is for vocoders; this model changes its audio and its mels in the loader")
    reader = _training_audio(config, mel.sample_rate, mel.hop_length)
    return segments(
        reader,
        mel,
        config.segment_length,
        f0=_f0(config, mel, f0, reader),
        predicted=_predicted(config, Path(config.train_directory), reader, mel, embedding),
        gain_db=config.gain_db,
        degrade=config.degrade,
        seed=config.seed,
        gives_windows=config.mels == "device",
    )


def utterance_dataset(
    config: DataConfig, mel: MelConfig, f0: F0Config | None, path: str | Path, *, embedding: bool = False
) -> UtteranceDataset:
    """Return the whole utterances of a data directory with their features; errors as in :func:`segment_dataset`."""
    directory, reader = _audio(config, path, mel.sample_rate)
    predicted = _predicted(config, directory.path, reader, mel, embedding)
    return UtteranceDataset(reader, mel, _f0(config, mel, f0, reader), predicted)


def waveform_dataset(config: DataConfig, front_end: FrontEnd) -> WaveformDataset:
    """Return training segments of audio without features, with labels if the model has any.

    Raises:
        DataError: for an unusable data directory, or an utterance whose text is not a label of the model.
        ConfigError: if no directory is named.
    """
    reader = _training_audio(config, front_end.sample_rate, front_end.hop_length)
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


def _order(config: DataConfig, reader: AudioReader, total_batch: int) -> Order:
    """Return the order in which training draws utterances."""
    seconds = config.segment_length / reader.sample_rate
    by_duration = config.weighting == "duration"
    if isinstance(reader, ShardReader):
        counts = np.rint(reader.index.durations / seconds) if by_duration else np.ones(len(reader.index))
        occurrences = np.maximum(counts, 1).astype(int) * reader.kept
        return ShardOrder(reader.index.counts, occurrences, total_batch, config.seed, config.open_shards)
    repeats = [max(1, round(u.duration / seconds)) if by_duration else 1 for u in reader.utterances]
    if config.balance_speakers:
        return BalancedOrder([utterance.speaker for utterance in reader.utterances], repeats, config.seed)
    return ShuffledOrder(repeats, config.seed)


def _audio(config: DataConfig, path: str | Path, sample_rate: int) -> tuple[KaldiDirectory, AudioReader]:
    directory = KaldiDirectory.read(path)
    reader = AudioReader(directory.utterances, sample_rate, config.resample, config.peak, config.in_memory)
    return directory, reader


def _training_audio(config: DataConfig, sample_rate: int, hop_length: int) -> AudioReader:
    """Return the training set without utterances shorter than a segment."""
    shortest = config.segment_length if config.shorter == "drop" else hop_length
    if config.features == "predicted":
        # They cannot be padded (the output of the acoustic model for silence is unknown) and may lack a frame or two.
        shortest = config.segment_length + 2 * hop_length
    if holds_shards(config.train_directory):
        return _sharded_audio(config, sample_rate, shortest)
    if config.shards_at is not None:
        raise ConfigError(f"data.shards_at is set, and {config.train_directory} holds no index of shards; leave it out")
    directory = KaldiDirectory.read(config.train_directory)
    kept = tuple(u for u in directory if round(u.duration * sample_rate) >= shortest)
    _tell_dropped(directory.path, len(directory), len(kept), shortest)
    return AudioReader(kept, sample_rate, config.resample, config.peak, config.in_memory)


def _sharded_audio(config: DataConfig, sample_rate: int, shortest: int) -> ShardReader:
    """Return a training set in shards.

    Raises:
        ConfigError: for settings that need every utterance at any time.
    """
    random_access = {
        "balance_speakers": config.balance_speakers,
        "pause_seconds": config.pause_seconds is not None,
        "in_memory": config.in_memory,
        "features": config.features == "predicted",
    }
    for name, is_set in random_access.items():
        if is_set:
            raise ConfigError(
                f"{config.train_directory} holds shards, which are read front to back, and data.{name} needs any "
                "utterance at any time; leave it out, or train on a Kaldi data directory"
            )
    index = ShardIndex.read(config.train_directory)
    kept = np.rint(index.durations * sample_rate) >= shortest
    _tell_dropped(index.folder, len(index), int(kept.sum()), shortest)
    return ShardReader(index, sample_rate, config.resample, config.peak, kept, config.shards_at)


def _tell_dropped(path: Path, total: int, kept: int, shortest: int) -> None:
    if kept < total:
        logger.warning("%s: %d utterances shorter than %d samples left out", path, total - kept, shortest)
    if not kept:
        raise DataError(f"{path}: no utterance has {shortest} samples; lower data.segment_length")


def _f0(config: DataConfig, mel: MelConfig, f0: F0Config | None, reader: AudioReader) -> F0Cache | ShardF0 | None:
    if f0 is None:
        return None
    expected = f0_fingerprint(f0, mel.sample_rate, mel.hop_length)
    if isinstance(reader, ShardReader):
        found = reader.index.f0
        if found != expected:
            has = "hold no F0" if found is None else f"hold F0 of [{found}]"
            raise DataError(
                f"{reader.index.folder}: the shards {has}; expected [{expected}]; run 'ondes prepare shards --features'"
            )
        return ShardF0(reader)
    if config.feature_dir is None:
        raise ConfigError("data.feature_dir is not set; the model needs F0: run 'ondes features' and name its folder")
    cache = F0Cache(config.feature_dir, expected)
    missing = cache.missing(u.utt_id for u in reader.utterances)
    _check_complete(cache.folder, missing, "F0; run 'ondes features' on this data")
    return cache


def _predicted(
    config: DataConfig, path: Path, reader: AudioReader, mel: MelConfig, embedding: bool
) -> PredictedFeatures | None:
    """Return the predicted features, with a warning if some spread over the corpus are hardly mels."""
    if config.features == "computed":
        return None
    predicted, utterances = PredictedFeatures(path, mel, embedding=embedding), reader.utterances
    _check_complete(predicted.path, predicted.missing(u.utt_id for u in utterances), "predicted features")
    spread = np.unique(np.linspace(0, len(utterances) - 1, _LOOKED_AT).astype(int))
    predicted.warn_of_doubtful([utterances[index].utt_id for index in spread])
    return predicted


def _check_complete(place: Path, missing: Sequence[str], what: str) -> None:
    if missing:
        raise DataError(f"{place}: {len(missing)} utterances such as '{missing[0]}' have no {what}")
