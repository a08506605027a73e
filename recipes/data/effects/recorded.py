"""Pairs that were recorded from a device, at knob settings that the data directory names.

Beside ``wav.scp`` (dry audio) stand ``wet.scp`` (the device's answer, of the same length) and ``knobs.csv`` (a column
``utt_id``, and one for each knob).
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from effects.knobs import KnobSet
from recipes.data.config import DataConfig
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.reading import AudioReader
from vocoders.core.errors import DataError

__all__ = ["KNOBS_FILE", "WET_FILE", "RecordedDataset", "read_knob_table"]

WET_FILE, KNOBS_FILE = "wet.scp", "knobs.csv"


class RecordedDataset(Dataset[dict[str, Any]]):
    """Segments of recorded pairs; items as those of :class:`~recipes.data.effects.rendered.RenderedDataset`.

    Args:
        directory: the data directory.
        reader: of its dry audio.
        config: segments, resampling, seed.
        pre_roll: samples before each segment.
        knobs: those of the model.

    Raises:
        DataError: if wet audio or settings are missing.
    """

    def __init__(
        self, directory: KaldiDirectory, reader: AudioReader, config: DataConfig, pre_roll: int, knobs: KnobSet
    ) -> None:
        self.reader, self.knobs = reader, knobs
        self._length, self._seed = pre_roll + config.segment_length, config.seed
        path = Path(directory.path)
        wet = _read_scp(path / WET_FILE)
        settings = read_knob_table(path / KNOBS_FILE, knobs)
        for utterance in reader.utterances:
            for found, name in ((wet, WET_FILE), (settings, KNOBS_FILE)):
                if utterance.utt_id not in found:
                    raise DataError(f"{path / name}: '{utterance.utt_id}' is missing; expected a line for each id")
        answers = [_answer(utterance, wet[utterance.utt_id]) for utterance in reader.utterances]
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
        knobs = self.knobs.normalize(self.knobs.values(self._settings[index]))
        return {"audio": dry, "target": wet, "knobs": knobs.float(), "utt_id": self.reader.utterances[index].utt_id}

    def _read(self, reader: AudioReader, index: int, start: int) -> Tensor:
        samples = torch.from_numpy(np.array(reader.read(index, start, self._length), dtype=np.float32))
        return F.pad(samples, (0, self._length - len(samples)))[None]


def read_knob_table(path: Path, knobs: KnobSet) -> dict[str, dict[str, float]]:
    """Return the settings by utterance.

    Raises:
        DataError: if the table cannot be read.
        ConfigError: for an unknown knob or an impossible value.
    """
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); expected a table of knob settings") from None
    if not rows or "utt_id" not in rows[0]:
        raise DataError(
            f"{path}: expected a header with utt_id and the knobs {', '.join(knobs.names)}, and a line each"
        )
    table = {}
    for row in rows:
        name = row.pop("utt_id")
        table[name] = knobs.resolve({knob: value for knob, value in row.items() if value not in (None, "")})
    return table


def _read_scp(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); expected the wet audio of each id") from None
    return dict(line.split(maxsplit=1) for line in lines if line.strip())


def _answer(utterance: Utterance, path: str) -> Utterance:
    from dataclasses import replace

    return replace(utterance, path=Path(path))
