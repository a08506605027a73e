"""Build the loaders of a training run from its configuration."""

import logging
import signal
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from recipes.data.cache import F0Cache, f0_fingerprint
from recipes.data.config import DataConfig
from recipes.data.dataset import ArraySource, SegmentDataset, UtteranceDataset, collate
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.predicted import PredictedFeatures
from recipes.data.reading import AudioReader
from recipes.data.sampler import BalancedOrder, Order, ShuffledOrder, StepBatchSampler
from recipes.data.waveforms import PieceDataset, PlainAudio, WaveformDataset
from vocoders.core.errors import ConfigError, DataError
from vocoders.frontends.f0 import F0Config
from vocoders.frontends.mel import MelConfig

__all__ = [
    "build_order",
    "build_piece_dataset",
    "build_train_loader",
    "build_valid_dataset",
    "leave_signals_to_the_parent",
]

logger = logging.getLogger(__name__)


def build_train_loader(
    config: DataConfig,
    mel: MelConfig | PlainAudio,
    f0: F0Config | None = None,
    start_step: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> DataLoader:
    """Return an endless loader of training batches, which begins with the batch of ``start_step``.

    The loader already knows its process (``rank`` of ``world_size``): it must not be sharded again.

    Args:
        config: the ``data`` section.
        mel: front end of the features, or audio alone.
        f0: pitch tracker of the model, ``None`` for a model without F0.
        start_step: step to resume at.
        rank: number of this process.
        world_size: number of processes.

    Raises:
        DataError: for an unusable data directory, F0 that is missing or of another front end.
        ConfigError: for a segment that is not a whole number of frames, or paths that are not set.
    """
    if config.train is None:
        raise ConfigError("data.train is not set; expected the data directory of the training set")
    directory = KaldiDirectory.read(config.train)
    utterances = _long_enough(directory, config, mel)
    reader = _reader(config, utterances, mel.sample_rate)
    dataset: SegmentDataset | WaveformDataset
    if isinstance(mel, PlainAudio):
        dataset = WaveformDataset(
            reader, config.segment_length, config.gain_db, config.seed, config.pause_seconds, mel.labels
        )
    elif config.pause_seconds is not None:
        raise ConfigError("data.pause_seconds is for models of audio itself; this one has features, leave it out")
    else:
        dataset = SegmentDataset(
            reader,
            mel,
            config.segment_length,
            f0=_f0_cache(config, mel, f0, utterances),
            predicted=_predicted(config, directory.path, utterances),
            gain_db=config.gain_db,
            seed=config.seed,
        )
    sampler = StepBatchSampler(build_order(config, utterances, mel), config.batch_size, rank, world_size, start_step)
    logger.info("%s: %d utterances, %.1f steps in an epoch", directory.path, len(utterances), sampler.steps_per_epoch)
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=config.num_workers,
        collate_fn=collate,
        # Of its own, so that a loader started in mid-run (resume) draws nothing from torch's global state.
        generator=torch.Generator().manual_seed(config.seed),
        worker_init_fn=leave_signals_to_the_parent,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=config.num_workers > 0,
    )


def build_valid_dataset(
    config: DataConfig, mel: MelConfig | PlainAudio, f0: F0Config | None = None
) -> UtteranceDataset | PieceDataset:
    """Return the whole utterances of the validation set; of audio alone, in pieces of at most a segment.

    Raises:
        ConfigError: if the configuration names no validation set.
        DataError: as in :func:`build_train_loader`.
    """
    if config.valid is None:
        raise ConfigError("data.valid is not set; expected the data directory of the validation set")
    directory = KaldiDirectory.read(config.valid)
    reader = _reader(config, directory.utterances, mel.sample_rate)
    if isinstance(mel, PlainAudio):
        return PieceDataset(reader, config.segment_length, mel.labels)
    cache = _f0_cache(config, mel, f0, directory.utterances)
    return UtteranceDataset(reader, mel, cache, _predicted(config, directory.path, directory.utterances))


def build_piece_dataset(
    config: DataConfig, audio: PlainAudio, path: str | Path, longest: int | None = None
) -> PieceDataset:
    """Return every sample of a data directory once, read as training reads its own.

    Args:
        config: the ``data`` section.
        audio: of the model. Where the text of every utterance is one of its labels, pieces have labels.
        path: the data directory.
        longest: samples of a piece; ``None``: whole utterances.

    Raises:
        DataError: for an unusable data directory.
    """
    utterances = KaldiDirectory.read(path).utterances
    reader = _reader(config, utterances, audio.sample_rate)
    is_labelled = all(utterance.text in audio.labels for utterance in utterances)
    if audio.labels and not is_labelled:
        logger.warning("%s: not every text is a label of the model; taken without labels, as the mean of all", path)
    return PieceDataset(reader, longest, audio.labels if is_labelled else ())


def build_order(config: DataConfig, utterances: Sequence[Utterance], mel: MelConfig | PlainAudio) -> Order:
    """Return the order in which training draws utterances."""
    seconds = config.segment_length / mel.sample_rate
    by_duration = config.weighting == "duration"
    repeats = [max(1, round(u.duration / seconds)) if by_duration else 1 for u in utterances]
    if config.balance_speakers:
        return BalancedOrder([utterance.speaker for utterance in utterances], repeats, config.seed)
    return ShuffledOrder(repeats, config.seed)


def _reader(config: DataConfig, utterances: Sequence[Utterance], sample_rate: int) -> AudioReader:
    return AudioReader(utterances, sample_rate, config.resample, config.peak, config.in_memory)


def _long_enough(directory: KaldiDirectory, config: DataConfig, mel: MelConfig | PlainAudio) -> tuple[Utterance, ...]:
    shortest = config.segment_length if config.shorter == "drop" else mel.hop_length
    if config.features == "predicted":
        # They cannot be padded (nobody knows what the acoustic model makes of silence) and may lack a frame or two.
        shortest = config.segment_length + 2 * mel.hop_length
    kept = tuple(u for u in directory if round(u.duration * mel.sample_rate) >= shortest)
    if len(kept) < len(directory):
        count = len(directory) - len(kept)
        logger.warning("%s: %d utterances shorter than %d samples left out", directory.path, count, shortest)
    if not kept:
        raise DataError(f"{directory.path}: no utterance has {shortest} samples; lower data.segment_length")
    return kept


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


def _predicted(config: DataConfig, path: Path, utterances: Sequence[Utterance]) -> ArraySource | None:
    if config.features == "computed":
        return None
    predicted = PredictedFeatures(path)
    _check_complete(predicted.path, predicted.missing(u.utt_id for u in utterances), "predicted features")
    return predicted


def _check_complete(place: Path, missing: Sequence[str], what: str) -> None:
    if missing:
        raise DataError(f"{place}: {len(missing)} utterances such as '{missing[0]}' have no {what}")


def leave_signals_to_the_parent(worker: int) -> None:
    """Ignore Ctrl-C and SIGTERM, which reach a whole process group: the trainer ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
