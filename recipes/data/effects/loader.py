"""Build the loaders of an effect's training from its configuration."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader

from effects.knobs import KnobSet
from recipes.data.config import DataConfig
from recipes.data.effects.config import EffectDataConfig
from recipes.data.effects.recorded import RecordedDataset
from recipes.data.effects.rendered import RenderedDataset, collate_pairs
from recipes.data.kaldi import KaldiDirectory
from recipes.data.loader import build_order, leave_signals_to_the_parent
from recipes.data.reading import AudioReader
from recipes.data.sampler import StepBatchSampler
from recipes.data.waveforms import PlainAudio
from vocoders.core.errors import ConfigError

__all__ = ["build_effect_loader", "effect_dataset", "stack_pairs"]

logger = logging.getLogger(__name__)


def effect_dataset(
    config: DataConfig,
    effect: EffectDataConfig,
    knobs: KnobSet,
    sample_rate: int,
    directory: str | None,
    held_out: bool = False,
) -> RenderedDataset | RecordedDataset:
    """Return the pairs of one data directory.

    Args:
        config: the ``data`` section.
        effect: the ``effect`` section.
        knobs: those of the model.
        sample_rate: that of the model, in Hz.
        directory: Kaldi data directory.
        held_out: rendered pairs at knob settings that are never trained.

    Raises:
        ConfigError: if no directory is named, or knobs do not fit.
        DataError: for an unusable data directory.
    """
    if directory is None:
        raise ConfigError("data.train or data.valid is not set; expected a data directory of dry audio")
    data = KaldiDirectory.read(directory)
    reader = AudioReader(data.utterances, sample_rate, config.resample, None, config.in_memory)
    if effect.processor is None:
        return RecordedDataset(data, reader, config, effect.pre_roll, knobs)
    return RenderedDataset(reader, effect, config.segment_length, knobs, config.seed, held_out)


def build_effect_loader(
    config: DataConfig,
    effect: EffectDataConfig,
    knobs: KnobSet,
    sample_rate: int,
    start_step: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> DataLoader:
    """Return an endless loader of pairs, which begins with the batch of ``start_step``.

    The loader already knows its process (``rank`` of ``world_size``). Arguments and errors as for
    :func:`effect_dataset`.
    """
    dataset = effect_dataset(config, effect, knobs, sample_rate, config.train)
    order = build_order(config, dataset.reader.utterances, PlainAudio(sample_rate))
    sampler = StepBatchSampler(order, config.batch_size, rank, world_size, start_step)
    logger.info("%s: %d recordings, %.1f steps in an epoch", config.train, len(dataset), sampler.steps_per_epoch)
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=config.num_workers,
        collate_fn=partial(stack_pairs, pre_roll=effect.pre_roll),
        generator=torch.Generator().manual_seed(config.seed),
        worker_init_fn=leave_signals_to_the_parent,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=config.num_workers > 0,
    )


def stack_pairs(items: Sequence[dict[str, Any]], pre_roll: int) -> dict[str, Any]:
    """Return a batch, which says how many samples of pre-roll it begins with."""
    return collate_pairs(list(items)) | {"pre_roll": pre_roll}
