"""Audio for models without features: training segments and whole utterances.

Items contain ``audio`` (1, T) in [-1, 1], ``length`` (the number of samples before the zero padding), ``utt_id``,
``speaker``, ``seed`` and, for a model with labels, ``labels``: the index of the utterance's text among them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from recipes.data.augmentation import draw_gain
from recipes.data.dataset import TrainingSet, collate
from recipes.data.reading import AudioReader
from vocoders.core.errors import DataError

__all__ = ["PieceDataset", "WaveformDataset", "collate_padded"]


class WaveformDataset(TrainingSet):
    """Random segments for training; each item is a pure function of (seed, draw, index).

    Args:
        reader: the audio.
        segment_length: samples of an item; shorter audio is padded with zeros.
        gain_db: range of a random gain in dB.
        seed: seed of the crops.
        pause_seconds: range of the silence between utterances of an endless stream, from which items are cut;
            ``None``: an item contains one utterance.
        labels: labels of the model. Utterances of a stream have the same label.

    Raises:
        DataError: if the text of an utterance is not a label.
    """

    def __init__(
        self,
        reader: AudioReader,
        segment_length: int,
        gain_db: tuple[float, float] | None = None,
        seed: int = 0,
        pause_seconds: tuple[float, float] | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        self.reader, self.segment_length = reader, segment_length
        self._gain_db, self._seed, self._pause_seconds = gain_db, seed, pause_seconds
        self._labels = _label_indices(reader, labels)
        self._alike: dict[tuple[str, int | None], list[int]] = {}
        for index in range(len(reader.utterances)) if pause_seconds is not None else ():
            self._alike.setdefault(self._kind(index), []).append(index)

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.reader.utterances)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        """Return a segment of an utterance; the key is its index, or (index, draw) from the sampler."""
        index, draw = key if isinstance(key, tuple) else (key, 0)
        generator = np.random.default_rng([self._seed, draw, index])
        pauses = self._pause_seconds
        item = self._alone(index, generator) if pauses is None else self._stream(index, generator, pauses)
        audio = item["audio"]
        if self._gain_db is not None:
            audio = audio * float(draw_gain(generator, self._gain_db, float(audio.abs().max())))
        item["audio"] = F.pad(audio, (0, self.segment_length - audio.shape[-1]))
        return item | _label(self._labels, index) | {"seed": torch.tensor(int(generator.integers(2**62)))}

    def _kind(self, index: int) -> tuple[str, int | None]:
        return self.reader.utterances[index].speaker, self._labels[index] if self._labels else None

    def _alone(self, index: int, generator: np.random.Generator) -> dict[str, Any]:
        last = max(self.reader.num_samples(index) - self.segment_length, 0)
        return _read(self.reader, index, int(generator.integers(0, last, endpoint=True)), self.segment_length)

    def _stream(self, index: int, generator: np.random.Generator, pauses: tuple[float, float]) -> dict[str, Any]:
        """Return a segment that starts in utterance ``index``: at its beginning half of the time, with labels always.

        It never starts in a pause: so the network learns to begin with sound, and with the complete utterance of a
        label.
        """
        first = self.reader.num_samples(index)
        start = int(generator.integers(first)) if not self._labels and generator.random() < 0.5 else 0
        item = _read(self.reader, index, start, min(first - start, self.segment_length))
        parts, missing = [item["audio"]], self.segment_length - item["audio"].shape[-1]
        others = self._alike[self._kind(index)]
        while missing > 0:
            seconds = generator.uniform(*pauses)
            parts.append(torch.zeros(1, min(missing, round(seconds * self.reader.sample_rate))))
            missing -= parts[-1].shape[-1]
            if missing > 0:
                parts.append(_read(self.reader, int(generator.choice(others)), 0, missing)["audio"])
                missing -= parts[-1].shape[-1]
        return item | {"audio": torch.cat(parts, dim=-1), "length": torch.tensor(self.segment_length)}


class PieceDataset(Dataset[dict[str, Any]]):
    """Every sample of every utterance once: whole utterances, or consecutive pieces of long ones.

    Args:
        reader: the audio.
        longest: length of a piece in samples; ``None``: whole utterances.
        labels: labels of the model.

    Raises:
        DataError: without any audio, or if the text of an utterance is not a label.
    """

    def __init__(self, reader: AudioReader, longest: int | None = None, labels: Sequence[str] = ()) -> None:
        self.reader = reader
        self._labels = _label_indices(reader, labels)
        self._pieces: list[tuple[int, int, int]] = []
        for index in range(len(reader.utterances)):
            total = reader.num_samples(index)
            step = longest or max(total, 1)
            self._pieces += [(index, start, min(step, total - start)) for start in range(0, total, step)]
        if not self._pieces:
            raise DataError("no sample of audio; the data directory is empty")

    def __len__(self) -> int:
        """Return the number of pieces."""
        return len(self._pieces)

    def length(self, number: int) -> int:
        """Return the number of samples of a piece."""
        return self._pieces[number][2]

    def utt_id(self, number: int) -> str:
        """Return the utterance of a piece."""
        return self.reader.utterances[self._pieces[number][0]].utt_id

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Return a piece."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        index, start, length = self._pieces[number]
        # A piece has the same random numbers in every validation.
        return _read(self.reader, index, start, length) | _label(self._labels, index) | {"seed": torch.tensor(number)}


def collate_padded(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stack items of different lengths, padded with zeros to the longest: audio (B, 1, T), all other numbers (B,)."""
    longest = max(item["audio"].shape[-1] for item in items)
    return collate([item | {"audio": F.pad(item["audio"], (0, longest - item["audio"].shape[-1]))} for item in items])


def _label_indices(reader: AudioReader, labels: Sequence[str]) -> list[int]:
    """Return the index of each utterance's text among the labels; empty without labels."""
    if not labels:
        return []
    indices: dict[str | None, int] = {label: index for index, label in enumerate(labels)}
    for utterance in reader.utterances:
        if utterance.text not in indices:
            found = f"has the text '{utterance.text}'" if utterance.text else "has no text"
            raise DataError(
                f"'{utterance.utt_id}' {found}; expected a label of the model ({', '.join(labels)}): prepare the data "
                "again with texts (ondes prepare folder --text-pattern), or name it in model.labels"
            )
    return [indices[utterance.text] for utterance in reader.utterances]


def _label(indices: Sequence[int], index: int) -> dict[str, Tensor]:
    return {"labels": torch.tensor(indices[index])} if indices else {}


def _read(reader: AudioReader, index: int, start: int, length: int) -> dict[str, Any]:
    utterance = reader.utterances[index]
    audio: Tensor = torch.from_numpy(np.asarray(reader.read_whole_part(index, start, length), dtype=np.float32))[None]
    number = torch.tensor(audio.shape[-1])
    return {"audio": audio, "length": number, "utt_id": utterance.utt_id, "speaker": utterance.speaker}
