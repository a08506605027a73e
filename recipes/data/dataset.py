"""Training segments and whole utterances, with features.

Items contain ``audio`` (1, T) in [-1, 1], ``features`` (n_mels, F), ``f0`` (1, F) in Hz (models with F0 only),
``utt_id`` and ``speaker``, with T == F * hop_length exactly. Features are raw log-mels; a model that needs them
normalised does that itself with the training statistics.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from recipes.data.augmentation import draw_gain, draw_smoothing
from recipes.data.predicted import check_length
from recipes.data.reading import AudioReader
from vocoders.core.errors import ConfigError, DataError
from vocoders.frontends.mel import LogMel, MelConfig

__all__ = [
    "WINDOW",
    "WINDOW_PLACE",
    "ArraySource",
    "SegmentDataset",
    "TrainingSet",
    "UtteranceDataset",
    "check_segment",
    "collate",
    "move_batch",
]

WINDOW, WINDOW_PLACE = "window", "window_place"
"""Keys of an item without features: its audio with context (1, n), and frames before the segment and in the window."""

Item = dict[str, Any]


class ArraySource(Protocol):
    """Source of frame-rate arrays of an utterance: the F0 cache, or predicted features."""

    def get(self, utt_id: str, mmap: bool = False) -> np.ndarray:
        """Return the array, with frames on the last axis."""
        ...


class PredictedSource(Protocol):
    """Source of predicted features."""

    def get_mel(self, utt_id: str) -> np.ndarray:
        """Return the features (n_mels, F) of an utterance, which are finite."""
        ...


class TrainingSet(Dataset[Item]):
    """A data set with items from the utterances of a reader; the key of an item is (index, draw)."""

    reader: AudioReader


class _FeatureDataset(Dataset[Item]):
    """Shared by both data sets: reading audio, computing features of a part of an utterance, checking lengths."""

    def __init__(
        self,
        reader: AudioReader,
        mel: MelConfig,
        f0: ArraySource | None = None,
        predicted: PredictedSource | None = None,
    ) -> None:
        if reader.sample_rate != mel.sample_rate:
            raise ConfigError(f"audio is read at {reader.sample_rate} Hz; expected the mel's {mel.sample_rate} Hz")
        self.reader, self.mel, self.hop_length = reader, mel, mel.hop_length
        self._log_mel = LogMel(mel)
        self._f0, self._predicted, self._gives_windows = f0, predicted, False
        # A frame depends on at most half a window and one hop beyond its hop.
        self._context = math.ceil(mel.n_fft / 2 / mel.hop_length) + 1

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.reader.utterances)

    def num_frames(self, index: int) -> int:
        """Return the number of whole frames of an utterance."""
        frames = self.reader.num_samples(index) // self.hop_length
        if self._predicted is None:
            return frames
        # Acoustic models often give one frame more or less than the recording has.
        utt_id = self.reader.utterances[index].utt_id
        found = self._predicted.get_mel(utt_id).shape[-1]
        check_length(utt_id, found, frames)
        return min(frames, found)

    def part(self, index: int, start: int, frames: int, generator: np.random.Generator | None = None) -> Item:
        """Return ``frames`` frames of an utterance, from frame ``start``, as an item.

        The features equal those of the whole utterance (cut to whole frames, padded with zeros up to ``frames``).
        """
        utterance = self.reader.utterances[index]
        total = self.num_frames(index)
        length = max(total, frames)
        before, after = min(start, self._context), min(length - start - frames, self._context)
        if self._predicted is not None:
            before = after = 0
        first, count = start - before, before + frames + after
        audio = self._samples(index, first, min(count, total - first), count)
        if generator is not None:
            audio = self._augment(audio, generator)
        item: Item = {"audio": audio[None, before * self.hop_length : (before + frames) * self.hop_length].clone()}
        if self._gives_windows:
            item |= {WINDOW: audio[None], WINDOW_PLACE: (before, count)}
        elif self._predicted is None:
            with torch.no_grad():
                item["features"] = self._log_mel(audio[None])[0, :, before : before + frames].clone()
        else:
            item["features"] = self._predicted_part(utterance.utt_id, start, frames)
        if self._f0 is not None:
            item["f0"] = self._f0_part(index, start, frames)[None]
        return item | {"utt_id": utterance.utt_id, "speaker": utterance.speaker}

    def _samples(self, index: int, first: int, available: int, count: int) -> Tensor:
        """Return ``count`` frames of samples from frame ``first``; ``available`` of them exist."""
        samples = self.reader.read_whole_part(index, first * self.hop_length, available * self.hop_length)
        audio = torch.zeros(count * self.hop_length)
        audio[: len(samples)] = torch.from_numpy(samples)
        return audio

    def _augment(self, audio: Tensor, generator: np.random.Generator) -> Tensor:
        return audio

    def _f0_part(self, index: int, start: int, frames: int) -> Tensor:
        assert self._f0 is not None
        utterance = self.reader.utterances[index]
        f0 = self._f0.get(utterance.utt_id, mmap=True)
        expected = self.reader.num_samples(index) // self.hop_length
        if len(f0) != expected:
            raise DataError(
                f"'{utterance.utt_id}': {len(f0)} frames of cached F0, expected {expected}; the audio has changed, "
                "run 'ondes features' again"
            )
        part = torch.zeros(frames)
        found = np.array(f0[start : start + frames])
        part[: len(found)] = torch.from_numpy(found)
        return part

    def _predicted_part(self, utt_id: str, start: int, frames: int) -> Tensor:
        assert self._predicted is not None
        features = self._predicted.get_mel(utt_id)
        if features.shape[1] < start + frames:
            raise DataError(f"'{utt_id}': {features.shape[1]} frames of predicted features; expected {start + frames}")
        return torch.from_numpy(np.array(features[:, start : start + frames], dtype=np.float32))


class SegmentDataset(_FeatureDataset, TrainingSet):
    """Random segments for training; each item is a pure function of (seed, draw, index).

    Args:
        reader: the audio.
        mel: front end.
        segment_length: samples, a multiple of the hop length.
        f0: F0 cache, for models with F0.
        predicted: features that replace the mels of the audio.
        gain_db: range of a random gain in dB.
        degrade: largest share of a smoothed mel in the features.
        seed: seed of the crops.
        gives_windows: items have audio with context instead of features, see :mod:`recipes.data.device_mels`.

    Raises:
        ConfigError: if the segment is not a whole number of frames.
    """

    def __init__(
        self,
        reader: AudioReader,
        mel: MelConfig,
        segment_length: int,
        *,
        f0: ArraySource | None = None,
        predicted: PredictedSource | None = None,
        gain_db: tuple[float, float] | None = None,
        degrade: float = 0.0,
        seed: int = 0,
        gives_windows: bool = False,
    ) -> None:
        super().__init__(reader, mel, f0, predicted)
        check_segment(segment_length, mel.hop_length)
        self._gives_windows = gives_windows
        self.segment_frames = segment_length // mel.hop_length
        self._gain_db, self._degrade, self._seed = gain_db, degrade, seed

    def __getitem__(self, key: int | tuple[int, int]) -> Item:
        """Return a segment of an utterance; the key is its index, or (index, draw) from the sampler."""
        index, draw = key if isinstance(key, tuple) else (key, 0)
        generator = np.random.default_rng([self._seed, draw, index])
        last = max(self.num_frames(index) - self.segment_frames, 0)
        start = int(generator.integers(0, last, endpoint=True))
        item = self.part(index, start, self.segment_frames, generator)
        if self._degrade:
            item["features"] = draw_smoothing(generator, item["features"], self._degrade)
        # Seed of the model's random numbers for this item, independent of batch and process.
        return item | {"seed": torch.tensor(int(generator.integers(2**62)))}

    def _augment(self, audio: Tensor, generator: np.random.Generator) -> Tensor:
        if self._gain_db is None:
            return audio
        return audio * float(draw_gain(generator, self._gain_db, float(audio.abs().max())))


def check_segment(segment_length: int, hop_length: int) -> None:
    """Raise a :class:`ConfigError` for a segment that is not a whole number of frames."""
    if segment_length < 1 or segment_length % hop_length:
        raise ConfigError(f"segment_length {segment_length}; expected a multiple of the hop length {hop_length}")


class UtteranceDataset(_FeatureDataset):
    """Whole utterances for validation and decoding, cut to whole frames."""

    def __getitem__(self, index: int) -> Item:
        """Return the utterance ``index``.

        Raises:
            DataError: if it is shorter than one frame.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        frames = self.num_frames(index)
        if frames == 0:
            raise DataError(f"{self.reader.utterances[index].path}: shorter than one hop of {self.hop_length} samples")
        return self.part(index, 0, frames)


def collate(items: Sequence[Mapping[str, Any]]) -> Item:
    """Stack the tensors of equally long items and list their strings: audio (B, 1, T), features (B, n_mels, F) ..."""
    return {
        key: torch.stack([item[key] for item in items]) if isinstance(value, Tensor) else [item[key] for item in items]
        for key, value in items[0].items()
    }


def move_batch(batch: Mapping[str, Any], device: torch.device) -> Item:
    """Return a batch with its tensors on a device."""
    return {
        key: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value for key, value in batch.items()
    }
