"""Find recorded pairs of dry and wet audio.

Two layouts are known. SignalTrain's: ``input_<id>_.wav`` next to ``target_<id>_<effect>__<value>__<value>.wav``, in
folders Train, Val and Test. Your own: ``pairs.csv`` with the columns ``dry`` and ``wet`` (files), optionally ``set``
(train, dev or test), and one for each knob, as any spreadsheet saves it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from effects.knobs import KnobSet
from effects.models.devices import LA2A_KNOBS
from recipes.data.effects.knob_tables import Setting, plain_settings
from vocoders.core.audio import AUDIO_SUFFIXES
from vocoders.core.audio_formats import list_audio
from vocoders.core.errors import DataError
from vocoders.core.tables import read_table

__all__ = ["PAIRS_TABLE", "RecordedPair", "find_pairs"]

PAIRS_TABLE = "pairs.csv"
_TARGET = re.compile(r"target_(?P<id>\d+)_(?P<effect>.+?)__(?P<values>.+)\.\w+$", re.IGNORECASE)
_SETS = {"train": "train", "val": "dev", "valid": "dev", "dev": "dev", "test": "test"}
# Every tenth pair for each, if the sets are not given.
_TENTH = {8: "dev", 9: "test"}


@dataclass(frozen=True)
class RecordedPair:
    """One recording of a device.

    Attributes:
        name: unique, a file name.
        dry: input of the device.
        wet: output of the device.
        part: ``train``, ``dev`` or ``test``.
        settings: knob values by name: plain numbers as text, or positions of switches.
    """

    name: str
    dry: Path
    wet: Path
    part: str
    settings: dict[str, str]


def find_pairs(folder: Path, knob_names: Sequence[str] = (), knobs: KnobSet | None = None) -> list[RecordedPair]:
    """Return the pairs in a folder, sorted by name.

    Args:
        folder: with ``pairs.csv``, or in SignalTrain's layout.
        knob_names: in the order of the values in SignalTrain's file names; by default those of ``knobs``, or else of
            the LA-2A.
        knobs: knobs that validate the values, see :func:`~recipes.data.effects.knob_tables.plain_settings`.

    Raises:
        DataError: if the folder contains no pair, a file of a pair is missing, or a name or a value is invalid.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected recorded pairs")
    table = folder / PAIRS_TABLE
    if table.is_file():
        pairs = _from_table(table, knobs)
    else:
        pairs = _from_names(folder, knob_names or (LA2A_KNOBS if knobs is None else knobs).names, knobs)
    if not pairs:
        raise DataError(f"{folder}: no pairs; expected {PAIRS_TABLE} with the columns dry and wet, or target_*__*.wav")
    for pair in pairs:
        for path in (pair.dry, pair.wet):
            if not path.is_file():
                raise DataError(f"{path}: no such file; pair '{pair.name}' needs it")
    return sorted(pairs, key=lambda pair: pair.name)


def _from_table(path: Path, knobs: KnobSet | None) -> list[RecordedPair]:
    table = read_table(path, "table of pairs", "a row of names, dry, wet, set and knobs, and a row for each pair")
    if not {"dry", "wet"} <= set(table.columns):
        raise DataError(f"{path}: columns {', '.join(table.columns)}; expected dry and wet, and one for each knob")
    written: list[Setting] = []
    for row in table.rows:
        values = {name: cell for name, cell in row.cells.items() if name not in ("dry", "wet", "set") and cell}
        written.append((f"{path} line {row.line}", values))
    pairs = []
    for number, (row, settings) in enumerate(zip(table.rows, plain_settings(written, knobs), strict=True)):
        dry, wet = row.cells["dry"], row.cells["wet"]
        if not dry or not wet:
            raise DataError(f"{path} line {row.line}: no {'wet' if dry else 'dry'} file; expected both")
        chosen = row.cells.get("set") or _TENTH.get(number % 10, "train")
        part = _SETS.get(chosen.lower())
        if part is None:
            raise DataError(f"{path} line {row.line}, column 'set': '{chosen}'; expected train, dev or test")
        name = f"{number:05d}-{_identifier(Path(wet).stem)}"
        pairs.append(RecordedPair(name, path.parent / dry, path.parent / wet, part, settings))
    return pairs


def _from_names(folder: Path, knob_names: Sequence[str], knobs: KnobSet | None) -> list[RecordedPair]:
    matches = [(wet, found) for wet in sorted(list_audio(folder)) if (found := _TARGET.match(wet.name))]
    written: list[Setting] = []
    for wet, found in matches:
        values = found["values"].split("__")
        if len(values) != len(knob_names):
            raise DataError(f"{wet}: {len(values)} knob values in its name; expected {', '.join(knob_names)}")
        written.append((str(wet), dict(zip(knob_names, values, strict=True))))
    pairs = []
    for (wet, found), settings in zip(matches, plain_settings(written, knobs), strict=True):
        stem = f"input_{found['id']}_"
        named = (wet.parent / f"{stem}{suffix}" for suffix in AUDIO_SUFFIXES)
        dry = next((path for path in named if path.is_file()), wet.parent / f"{stem}.wav")
        part = _SETS.get(wet.parent.name.lower(), _TENTH.get(len(pairs) % 10, "train"))
        name = f"{part}-{found['id']}-{_identifier('-'.join(settings.values()))}"
        pairs.append(RecordedPair(name, dry, wet, part, settings))
    return pairs


def _identifier(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)
