"""Find recorded pairs of dry and wet audio, and check what goes wrong when devices are recorded.

Two layouts are known. SignalTrain's: ``input_<id>_.wav`` beside ``target_<id>_<effect>__<value>__<value>.wav``, in
folders Train, Val and Test. Your own: ``pairs.csv`` with the columns ``dry`` and ``wet`` (files), optionally ``set``
(train, dev or test), and one for each knob.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import signal

from vocoders.core.audio import AUDIO_SUFFIXES, audio_info, read_audio
from vocoders.core.audio_formats import list_audio
from vocoders.core.errors import DataError, OndesError

__all__ = ["PAIRS_TABLE", "RecordedPair", "check_pair", "find_pairs"]

PAIRS_TABLE = "pairs.csv"
_TARGET = re.compile(r"target_(?P<id>\d+)_(?P<effect>.+?)__(?P<values>.+)\.\w+$", re.IGNORECASE)
_SETS = {"train": "train", "val": "dev", "valid": "dev", "dev": "dev", "test": "test"}
# Every tenth pair each, where nothing says which.
_TENTH = {8: "dev", 9: "test"}

_CHECKED_SECONDS = 30.0
_MOST_LAG_SECONDS = 1.0
_MOST_DIFFERENCE = 0.5
# Filters delay by some samples; more is a recording that was not aligned.
_TOLERATED_LAG = 32
_SILENCE = 1e-4
_CLIPPED_RUN = 8


@dataclass(frozen=True)
class RecordedPair:
    """One recording of a device.

    Attributes:
        name: unique, a file name.
        dry: what went in.
        wet: what came out.
        part: ``train``, ``dev`` or ``test``.
        settings: knob values as text, by name.
    """

    name: str
    dry: Path
    wet: Path
    part: str
    settings: dict[str, str]


def find_pairs(folder: Path, knob_names: Sequence[str] = ()) -> list[RecordedPair]:
    """Return the pairs in a folder, sorted by name.

    Args:
        folder: with ``pairs.csv``, or in SignalTrain's layout.
        knob_names: in the order of the values in SignalTrain's file names; by default those of the LA-2A.

    Raises:
        DataError: if the folder holds no pair, a file of one is missing, or a name does not fit.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected recorded pairs")
    table = folder / PAIRS_TABLE
    pairs = _from_table(table) if table.is_file() else _from_names(folder, knob_names or ("mode", "peak_reduction"))
    if not pairs:
        raise DataError(f"{folder}: no pairs; expected {PAIRS_TABLE} with the columns dry and wet, or target_*__*.wav")
    for pair in pairs:
        for path in (pair.dry, pair.wet):
            if not path.is_file():
                raise DataError(f"{path}: no such file; pair '{pair.name}' needs it")
    return sorted(pairs, key=lambda pair: pair.name)


def check_pair(pair: RecordedPair) -> tuple[str | None, list[str]]:
    """Look at a pair.

    Returns:
        Why it cannot be used (``None`` if it can), and what its owner should know.
    """
    try:
        rates = {audio_info(path).sample_rate for path in (pair.dry, pair.wet)}
        lengths = [audio_info(path).frames for path in (pair.dry, pair.wet)]
        if len(rates) > 1:
            return f"rates differ: {' and '.join(f'{rate} Hz' for rate in sorted(rates))}", []
        rate = rates.pop()
        frames = min(*lengths, round(_CHECKED_SECONDS * rate))
        dry, wet = (read_audio(path, mono=True, frames=frames)[0][0].numpy() for path in (pair.dry, pair.wet))
    except OndesError as error:
        return str(error), []
    if abs(lengths[0] - lengths[1]) > _MOST_DIFFERENCE * rate:
        return f"dry audio of {lengths[0]} samples and wet audio of {lengths[1]}; cut both to the same piece", []
    for name, audio in (("dry", dry), ("wet", wet)):
        if np.abs(audio).max(initial=0.0) < _SILENCE:
            return f"the {name} audio is silent; was the input connected?", []
    lag, sign = _best_lag(dry, wet, rate)
    if abs(lag) > _TOLERATED_LAG:
        how = f"{lag} samples late: cut them from its start" if lag > 0 else f"{-lag} samples early: cut the dry audio"
        return f"the wet audio is {how} (latency of the recording)", []
    notes = []
    if sign < 0:
        notes.append("the wet audio is upside down (polarity); a model will learn that too")
    if _has_clipping(wet) and not _has_clipping(dry):
        notes.append("the wet audio clips; was the recording level too high?")
    return None, notes


def _from_table(table: Path) -> list[RecordedPair]:
    with open(table, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    pairs = []
    for number, row in enumerate(rows):
        if not row.get("dry") or not row.get("wet"):
            raise DataError(f"{table}: line {number + 2} has no dry or no wet file; expected the columns dry and wet")
        part = _SETS.get((row.get("set") or _TENTH.get(number % 10, "train")).lower())
        if part is None:
            raise DataError(f"{table}: line {number + 2}: set '{row['set']}'; expected train, dev or test")
        settings = {key: value for key, value in row.items() if key not in ("dry", "wet", "set", None) and value}
        name = f"{number:05d}-{re.sub(r'[^A-Za-z0-9_.-]', '_', Path(row['wet']).stem)}"
        pairs.append(RecordedPair(name, table.parent / row["dry"], table.parent / row["wet"], part, settings))
    return pairs


def _from_names(folder: Path, knob_names: Sequence[str]) -> list[RecordedPair]:
    pairs = []
    for wet in sorted(list_audio(folder)):
        found = _TARGET.match(wet.name)
        if found is None:
            continue
        values = found["values"].split("__")
        if len(values) != len(knob_names):
            raise DataError(f"{wet}: {len(values)} knob values in its name; expected {', '.join(knob_names)}")
        stem = f"input_{found['id']}_"
        named = (wet.parent / f"{stem}{suffix}" for suffix in AUDIO_SUFFIXES)
        dry = next((path for path in named if path.is_file()), wet.parent / f"{stem}.wav")
        part = _SETS.get(wet.parent.name.lower(), _TENTH.get(len(pairs) % 10, "train"))
        name = f"{part}-{found['id']}-{'-'.join(values)}"
        pairs.append(RecordedPair(name, dry, wet, part, dict(zip(knob_names, values, strict=True))))
    return pairs


def _best_lag(dry: np.ndarray, wet: np.ndarray, rate: int) -> tuple[int, float]:
    """Return by how many samples ``wet`` is late, and the sign of the correlation there."""
    reach = min(round(_MOST_LAG_SECONDS * rate), len(dry) - 1)
    correlation = signal.correlate(wet.astype(np.float64), dry.astype(np.float64), method="fft")
    middle = len(dry) - 1
    near = correlation[middle - reach : middle + reach + 1]
    place = int(np.abs(near).argmax())
    return place - reach, float(np.sign(near[place]))


def _has_clipping(audio: np.ndarray) -> bool:
    at_limit = np.abs(audio) >= 0.999
    runs = np.convolve(at_limit, np.ones(_CLIPPED_RUN), mode="valid")
    return bool(len(runs) and runs.max() >= _CLIPPED_RUN)
