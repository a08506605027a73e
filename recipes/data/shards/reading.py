"""Utterances from shards: each shard is a stream, and a block of its utterances is kept while items are drawn."""

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import soundfile
import torch
from torch import Tensor

from recipes.data.kaldi import Utterance
from recipes.data.reading import AudioReader, Span, check_format
from recipes.data.shards.index import ShardIndex
from recipes.data.shards.members import read_members
from recipes.data.shards.order import BLOCK
from vocoders.core.errors import ConfigError, DataError, MissingExtraError, UnreadableAudioError
from vocoders.core.json_files import parse_json
from vocoders.core.numpy_files import parse_npy
from vocoders.core.regular_files import open_regular

__all__ = ["F0_KIND", "ShardF0", "ShardReader", "import_webdataset", "member_name"]

Sample = dict[str, Any]
_AUDIO_KINDS = ("flac", "wav")
F0_KIND = "f0.npy"
# Addresses that webdataset opens; a command ("pipe:") is never run.
_SCHEMES = ("http", "https", "gs", "hf", "file")


def import_webdataset() -> Any:
    """Return the package; raises :class:`MissingExtraError` without it."""
    try:
        import webdataset
    except ImportError:
        raise MissingExtraError("webdataset", "shards", "reading and writing shards") from None
    return webdataset


class ShardReader(AudioReader):
    """Samples of the utterances in shards; fast where they are read in the order of :class:`ShardOrder`.

    Args:
        index: the utterances.
        sample_rate: expected rate in Hz.
        resample: convert other rates and average channels.
        peak: scale each utterance to this peak.
        kept: (N,) whether an utterance is to be drawn.
        address: folder or address of the shards; ``None``: beside their index.

    Raises:
        MissingExtraError: without webdataset.
        ConfigError: for an address that is none.
        DataError: if a shard beside its index is missing.
    """

    def __init__(
        self,
        index: ShardIndex,
        sample_rate: int,
        resample: bool = False,
        peak: float | None = None,
        kept: np.ndarray | None = None,
        address: str | None = None,
    ) -> None:
        self.index, self.max_streams = index, 2
        self.kept = np.ones(len(index), dtype=bool) if kept is None else kept
        self._webdataset = import_webdataset()
        self._address = _check_address(address or str(index.folder))
        if "://" not in self._address:
            missing = [name for name in index.names if not (Path(self._address) / name).is_file()]
            if missing:
                raise DataError(f"{self._address}: no {missing[0]}, and the index names it; copy the shards again")
        self._streams: list[_Stream] = []
        super().__init__(index, sample_rate, resample, peak)

    def sample(self, index: int) -> Sample:
        """Return what the shards hold of an utterance: its files by their endings, as bytes.

        Raises:
            DataError: if the shard cannot be read, or has other contents than its index says.
        """
        sample = self._find(index)
        if "json" in sample:
            _check_id(sample["json"], self.index[index])
        return sample

    def _find(self, index: int) -> Sample:
        shard, number = self.index.place(index)
        near = [stream for stream in self._streams if stream.shard == shard and stream.reaches(number)]
        if near:
            stream = max(near, key=lambda stream: stream.holds(number))
        else:
            stream = _Stream(self._webdataset, f"{self._address}/{self.index.names[shard]}", shard)
        self._streams = [stream, *(other for other in self._streams if other is not stream)][: self.max_streams]
        return stream.get(number)

    def _span(self, index: int) -> Span:
        rate, channels = int(self.index.sample_rates[index]), int(self.index.channels[index])
        if not self.resample and (rate != self.sample_rate or channels != 1):
            check_format(self.index[index], Span(rate, channels, 0, 0), self.sample_rate, self.resample)
        return Span(rate, channels, 0, int(self.index.frames[index]))

    def _decode(self, index: int, start: int, frames: int) -> Tensor:
        sample = self.sample(index)
        for kind in _AUDIO_KINDS:
            if kind in sample:
                return _decode(sample[kind], start, frames, f"{self.index[index].path}: '{self.index[index].utt_id}'")
        raise DataError(f"{self.index[index].path}: no audio of '{self.index[index].utt_id}'; write the shards again")


class ShardF0:
    """F0 beside the audio in shards."""

    def __init__(self, reader: ShardReader) -> None:
        self._reader = reader

    def get(self, utt_id: str, mmap: bool = False) -> np.ndarray:
        """Return the F0 of an utterance, (F,) float32 in Hz, 0 = unvoiced.

        Raises:
            DataError: if there is none.
        """
        del mmap
        index = self._reader.index.find(utt_id)
        found = self._reader.sample(index).get(F0_KIND)
        if found is None:
            path = self._reader.index[index].path
            raise DataError(f"{path}: no F0 of '{utt_id}'; write the shards again with --features")
        try:
            return parse_npy(found)
        except ValueError as error:
            path = self._reader.index[index].path
            raise DataError(f"{path}: the F0 of '{utt_id}' cannot be read ({error}); write the shards again") from None


class _Stream:
    """One reading of a shard, with the utterances of the block where it is."""

    def __init__(self, webdataset: Any, address: str, shard: int) -> None:
        self.shard, self._address = shard, address
        self._next, self._block = 0, -1
        self._held: dict[int, Sample] = {}
        self._samples = self._read(webdataset)

    def _read(self, webdataset: Any) -> Iterator[Sample]:
        with closing(
            webdataset.gopen(self._address) if "://" in self._address else open_regular(self._address)
        ) as file:
            yield from webdataset.tariterators.group_by_keys(read_members(file, self._address))

    def holds(self, number: int) -> bool:
        """Return whether a member is in memory."""
        return number in self._held

    def reaches(self, number: int) -> bool:
        """Return whether a member is in memory, or soon comes by."""
        return self.holds(number) or (number >= self._next and number // BLOCK <= self._block + 1)

    def get(self, number: int) -> Sample:
        """Return a member, reading up to it."""
        block = number // BLOCK
        if block != self._block:
            self._held, self._block = {}, block
        while self._next <= number:
            try:
                sample = next(self._samples)
            except StopIteration:
                raise DataError(f"{self._address}: ends after {self._next} utterances; copy the shard again") from None
            except Exception as error:  # of tarfile, curl and the network, whatever the version raises
                raise DataError(f"{self._address}: cannot be read ({_one_line(error)}); copy the shard again") from None
            if sample["__key__"] != member_name(self._next):
                raise DataError(f"{self._address}: '{sample['__key__']}' where {member_name(self._next)} was expected")
            if self._next // BLOCK == block:
                self._held[self._next] = sample
            self._next += 1
        return self._held[number]


def _check_id(content: bytes, utterance: Utterance) -> None:
    """Raise a :class:`DataError` for the description of another utterance: a shard that was copied to a wrong name."""
    try:
        found = str(parse_json(content)["utt_id"])
    except (ValueError, KeyError, TypeError) as error:
        reason = _one_line(error)
        raise DataError(f"{utterance.path}: no description of '{utterance.utt_id}' ({reason}); copy it again") from None
    if found != utterance.utt_id:
        expected = f"'{found:.60}' where its index has '{utterance.utt_id}'"
        raise DataError(f"{utterance.path}: {expected}; copy the shard again, with its index")


def member_name(number: int) -> str:
    """Return the name of an utterance in its shard; ids may contain dots, which end a name in WebDataset."""
    return f"{number:06d}"


def _decode(content: bytes, start: int, frames: int, name: str) -> Tensor:
    """Return a part of audio as (1, T), channels averaged."""
    try:
        samples, _ = soundfile.read(io.BytesIO(content), frames, start, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError, MemoryError) as error:
        # Without the name of the file, which is here that of an object in memory.
        reason = error.error_string if isinstance(error, soundfile.LibsndfileError) else _one_line(error)
        raise UnreadableAudioError(f"{name}: cannot be decoded ({reason}); write the shards again", reason) from None
    if len(samples) < frames:
        raise DataError(f"{name}: ends before sample {start + frames}, unlike its index; copy the shard again")
    return torch.from_numpy(np.ascontiguousarray(samples.T)).mean(dim=0, keepdim=True)


def _check_address(address: str) -> str:
    scheme = urlsplit(address).scheme if "://" in address else "pipe" if address.startswith("pipe:") else ""
    if scheme and scheme not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        raise ConfigError(f"data.shards_at '{address}'; expected a folder or an address ({known})")
    return address.rstrip("/")


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
