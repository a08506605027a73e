"""The index of a folder of shards: what is in which shard, in arrays that loader processes share.

``shards.json`` names the shards and counts their utterances; ``utterances.tsv`` has a line for each, in the order of
the tar files. A hundred thousand utterances take some 10 MB; as Python objects they would take ten times that, in every
loader process, because counting references copies shared pages.
"""

import io
import json
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np

from recipes.data.kaldi import SHARDS_FILE, Utterance
from vocoders.core.atomic import atomic_file
from vocoders.core.errors import DataError
from vocoders.core.json_files import read_json
from vocoders.core.limits import limit
from vocoders.core.regular_files import check_regular, open_regular

__all__ = ["TABLE_FILE", "Entry", "ShardIndex", "holds_shards"]

TABLE_FILE, _FORMAT = "utterances.tsv", 1


def holds_shards(path: str | Path) -> bool:
    """Return whether a folder is one of shards and no Kaldi data directory."""
    return (Path(path) / SHARDS_FILE).is_file()


class Entry(NamedTuple):
    """One utterance in the shards: its audio as it lies there."""

    utt_id: str
    speaker: str
    sample_rate: int
    channels: int
    frames: int
    text: str


class ShardIndex(Sequence[Utterance]):
    """The utterances of a folder of shards, in the order of the shards.

    Args:
        folder: the folder.
        shards: name and number of utterances of each shard.
        entries: the utterances.
        f0: fingerprint of the F0 beside the audio; ``None``: there is none.
    """

    def __init__(
        self, folder: Path, shards: Sequence[tuple[str, int]], entries: Iterable[Entry], f0: str | None = None
    ) -> None:
        self.folder, self.f0 = folder, f0
        self.names = tuple(name for name, _ in shards)
        self.counts = np.array([count for _, count in shards])
        self.ends = np.cumsum(self.counts)
        ids, speakers, sample_rates, channels, frames, texts = zip(*entries, strict=True)
        self.sample_rates, self.channels = np.array(sample_rates, np.int32), np.array(channels, np.int16)
        self.frames = np.array(frames, np.int64)
        self._ids, self._speakers, self._texts = _Strings(ids), _Strings(speakers), _Strings(texts)

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> Utterance: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Utterance, ...]: ...

    def __getitem__(self, index: int | slice) -> Utterance | tuple[Utterance, ...]:
        """Return an utterance, whose file is its shard."""
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        if not 0 <= index < len(self):
            raise IndexError(index)
        path = self.folder / self.names[self.place(index)[0]]
        seconds = float(self.frames[index] / self.sample_rates[index])
        text = self._texts[index] or None
        return Utterance(self._ids[index], path, self._speakers[index], duration=seconds, text=text)

    @property
    def durations(self) -> np.ndarray:
        """Seconds of each utterance, (N,)."""
        return self.frames / self.sample_rates

    def place(self, index: int) -> tuple[int, int]:
        """Return the shard of an utterance, and its number there."""
        shard = int(np.searchsorted(self.ends, index, side="right"))
        return shard, int(index - (self.ends[shard] - self.counts[shard]))

    def find(self, utt_id: str) -> int:
        """Return the index of an utterance; raises :class:`DataError` if there is none of this id."""
        names, order = self._sorted
        place = int(np.searchsorted(names, utt_id.encode("utf-8")))
        if place == len(names) or names[place] != utt_id.encode("utf-8"):
            raise DataError(f"{self.folder}: no utterance '{utt_id}'")
        return int(order[place])

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        names = np.array([self._ids[index].encode("utf-8") for index in range(len(self))])
        order = np.argsort(names)
        return names[order], order

    def write(self) -> None:
        """Write the index; the folder is one of shards from then on."""
        folder = self.folder
        rows = (
            (self._ids[i], self._speakers[i], self.sample_rates[i], self.channels[i], self.frames[i], self._texts[i])
            for i in range(len(self))
        )
        with atomic_file(folder / TABLE_FILE, durable=True) as temporary:
            temporary.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
        shards = [{"name": n, "utterances": int(c)} for n, c in zip(self.names, self.counts, strict=True)]
        with atomic_file(folder / SHARDS_FILE, durable=True) as temporary:
            temporary.write_text(json.dumps({"format": _FORMAT, "f0": self.f0, "shards": shards}, indent=1) + "\n")

    @classmethod
    def read(cls, folder: str | Path) -> "ShardIndex":
        """Read the index of a folder.

        Raises:
            DataError: if it is missing or damaged.
        """
        folder = Path(folder)
        try:
            head = read_json(folder / SHARDS_FILE)
            if head["format"] != _FORMAT:
                raise ValueError(f"format {head['format']}, expected {_FORMAT}")
            shards = [_shard(shard["name"], shard["utterances"]) for shard in head["shards"]]
            check_regular(folder / TABLE_FILE, "text")
            with io.TextIOWrapper(open_regular(folder / TABLE_FILE), encoding="utf-8", newline="\n") as table:
                index = cls(folder, shards, map(_entry, table), head["f0"])
            if len(index) == 0 or len(index) != index.counts.sum():
                raise ValueError(f"{len(index)} utterances are listed, and the shards hold {index.counts.sum()}")
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            reason = " ".join(str(error).split())
            found = f"{folder}: not a folder of shards ({reason:.200})"
            raise DataError(f"{found}; run 'ondes prepare shards' again") from None
        return index


def _shard(name: object, utterances: object) -> tuple[str, int]:
    # A name with a path could lead out of the folder, and one with a scheme elsewhere.
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]{0,200}\.tar", name):
        raise ValueError(f"a shard named '{str(name):.60}'; expected a name such as shard-000000.tar")
    if not isinstance(utterances, int) or not 0 < utterances < 2**31:
        raise ValueError(f"{str(utterances):.20} utterances in {name}")
    return name, utterances


def _entry(line: str) -> Entry:
    utt_id, speaker, sample_rate, channels, frames, text = line.removesuffix("\n").split("\t")
    entry = Entry(utt_id, speaker, int(sample_rate), int(channels), int(frames), text)
    most = limit("samples") // (4 * max(1, entry.channels))
    for what, found, top in (
        ("sample rate", entry.sample_rate, limit("rate")),
        ("channels", entry.channels, limit("channels")),
        ("frames", entry.frames, most),
    ):
        if not 0 < found <= top:
            raise ValueError(f"'{utt_id:.60}' has {what} {str(found):.30}; expected 1 to {top}")
    return entry


class _Strings:
    """Texts in two arrays."""

    def __init__(self, texts: Sequence[str]) -> None:
        encoded = [text.encode("utf-8") for text in texts]
        self._bytes = b"".join(encoded)
        self._ends = np.cumsum([0, *map(len, encoded)])

    def __getitem__(self, index: int) -> str:
        return self._bytes[self._ends[index] : self._ends[index + 1]].decode("utf-8")
