"""Pairs recorded from a device, at the knob settings in the data directory.

``wav.scp`` lists dry audio, ``wet.scp`` the output of the device with the same length, and ``knobs.csv`` the settings,
see :mod:`recipes.data.effects.knob_tables`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from effects.knobs import KnobSet
from recipes.data.config import DataConfig
from recipes.data.dataset import TrainingSet
from recipes.data.effects.knob_tables import KNOBS_FILE, read_knob_table
from recipes.data.id_lists import read_file_list
from recipes.data.kaldi import KaldiDirectory
from recipes.data.reading import AudioReader
from vocoders.core.errors import DataError

__all__ = ["WET_FILE", "RecordedDataset"]

WET_FILE = "wet.scp"


class RecordedDataset(TrainingSet):
    """Segments of recorded pairs; items like those of :class:`~recipes.data.effects.rendered.RenderedDataset`.

    Args:
        directory: the data directory.
        reader: reader of its dry audio.
        config: segments, resampling, seed.
        pre_roll: samples before each segment.
        knobs: knobs of the model.

    Raises:
        DataError: if wet audio or settings are missing.
    """

    def __init__(
        self, directory: KaldiDirectory, reader: AudioReader, config: DataConfig, pre_roll: int, knobs: KnobSet
    ) -> None:
        self.reader, self.knobs = reader, knobs
        self._length, self._seed = pre_roll + config.segment_length, config.seed
        path = Path(directory.path)
        wet = read_file_list(path / WET_FILE, "list of the wet audio of each id")
        settings = read_knob_table(path / KNOBS_FILE, knobs)
        for utterance in reader.utterances:
            for found, name in ((wet, WET_FILE), (settings, KNOBS_FILE)):
                if utterance.utt_id not in found:
                    raise DataError(f"{path / name}: '{utterance.utt_id}' is missing; expected a line for each id")
        answers = [replace(utterance, path=wet[utterance.utt_id]) for utterance in reader.utterances]
        self._wet = AudioReader(answers, reader.sample_rate, config.resample, None, config.in_memory)
        self._settings = [settings[utterance.utt_id] for utterance in reader.utterances]
        both = (reader, self._wet)
        self._lengths = [min(side.num_samples(index) for side in both) for index in range(len(reader.utterances))]

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self.reader.utterances)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        """Return a pair; the key is the index of a recording, or (index, draw)."""
        index, draw = key if isinstance(key, tuple) else (key, key)
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([self._seed, draw, index])))
        last = max(self._lengths[index] - self._length, 0)
        start = int(generator.integers(0, last, endpoint=True))
        dry, wet = (self._read(reader, index, start) for reader in (self.reader, self._wet))
        return self._item(index, dry, wet)

    def whole(self, index: int) -> dict[str, Any]:
        """Return a whole recording as an item."""
        length = self._lengths[index]
        sides = (reader.read(index, 0, length) for reader in (self.reader, self._wet))
        dry, wet = (torch.from_numpy(np.array(side, dtype=np.float32))[None] for side in sides)
        return self._item(index, dry, wet)

    def _item(self, index: int, dry: Tensor, wet: Tensor) -> dict[str, Any]:
        knobs = self.knobs.normalize(self.knobs.values(self._settings[index]))
        return {"audio": dry, "target": wet, "knobs": knobs.float(), "utt_id": self.reader.utterances[index].utt_id}

    def _read(self, reader: AudioReader, index: int, start: int) -> Tensor:
        samples = torch.from_numpy(np.array(reader.read(index, start, self._length), dtype=np.float32))
        return F.pad(samples, (0, self._length - len(samples)))[None]
