"""Knob settings of recordings: as written by their owner, and ``knobs.csv`` with plain numbers.

``knobs.csv`` is in a data directory of recorded pairs. It has a column ``utt_id`` and one for each knob. Numbers are
in the unit of the knob (seconds, Hz, dB) with a decimal point; the position of a switch may also be its name.
"""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from effects.knobs import Knob, KnobSet
from effects.quantities import Quantity, Unit
from vocoders.core.errors import DataError, OndesError
from vocoders.core.numbers import format_number
from vocoders.core.tables import format_table, read_table

__all__ = ["KNOBS_FILE", "Setting", "format_knob_table", "plain_settings", "read_knob_table"]

_logger = logging.getLogger(__name__)

KNOBS_FILE = "knobs.csv"

#: Source of a setting (a file, a line of a table), and its values as text by name.
Setting = tuple[str, Mapping[str, str]]

_NAME = "name of a position"
_UNITS = "one of s, ms, us, Hz, kHz, dB, samples, semitones, %"
_WORD = re.compile(r"[^\W\d_][\w +/.-]*")
_NO_NUMBERS = {"nan", "inf", "infinity"}


def plain_settings(settings: Sequence[Setting], knobs: KnobSet | None = None) -> list[dict[str, str]]:
    """Return settings in plain numbers: seconds, Hz and decibels with a decimal point.

    Args:
        settings: the settings as written.
        knobs: the knobs. If unknown, every unit and every word (a position of a switch) is accepted, but all values of
            a knob must be numbers of one unit, or words.

    Raises:
        DataError: with the place, for an unknown knob or an invalid value.
    """
    kinds: dict[str, tuple[set[str], str]] = {}
    plain = []
    for place, values in settings:
        plain.append({})
        for name, text in values.items():
            try:
                plain[-1][name] = _plain(text, kinds, name) if knobs is None else _checked(text, knobs[name])
            except OndesError as error:
                raise DataError(f"{place}, column '{name}': {error}") from None
    for name, (units, _) in kinds.items():
        if len(units) == 1 and (unit := min(units)) not in ("", _NAME):
            _logger.info("knob '%s' is written in %s; give it this unit in the training", name, unit)
    return plain


def format_knob_table(rows: Mapping[str, Mapping[str, str]]) -> str:
    """Return the text of ``knobs.csv``, sorted by utterance; all settings name the same knobs in the same order."""
    names = next(iter(rows.values())).keys()
    return format_table(("utt_id", *names), ([utt_id, *rows[utt_id].values()] for utt_id in sorted(rows)))


def read_knob_table(path: Path, knobs: KnobSet) -> dict[str, dict[str, float]]:
    """Return the value of every knob by utterance.

    Raises:
        DataError: if there is no such table; with the line for an unknown knob or an invalid value.
    """
    expected = f"a row of names, utt_id and the knobs {', '.join(knobs.names)}, and a row for each recording"
    table = read_table(path, "table of knob settings", expected)
    if "utt_id" not in table.columns:
        raise DataError(f"{path}: columns {', '.join(table.columns)}; expected {expected}")
    settings: dict[str, dict[str, float]] = {}
    for row in table.rows:
        name = row.cells["utt_id"]
        try:
            if not name or name in settings:
                raise DataError(f"the id '{name}' {'occurs twice' if name else 'is empty'}; expected one row for each")
            given = {knob: text for knob, text in row.cells.items() if knob != "utt_id" and text}
            settings[name] = knobs.resolve(given)
        except OndesError as error:
            raise DataError(f"{path} line {row.line}: {error}") from None
    return settings


def _checked(text: str, knob: Knob) -> str:
    value = knob.parse(text)
    knob.check(value)  # its range may change before training, so keep the value
    return format_number(value)


def _plain(text: str, kinds: dict[str, tuple[set[str], str]], name: str) -> str:
    found = Quantity.parse(text)
    is_word = found is None and _WORD.fullmatch(text) and text.lower() not in _NO_NUMBERS
    value = found.value(found.units[0]) if found is not None and found.units else math.nan
    if not is_word and not math.isfinite(value):
        raise DataError(f"'{text}'; expected a number, alone or with {_UNITS}, or the name of a switch's position")
    # Possible types of all values in the column so far.
    before, example = kinds.get(name, ({_NAME, *get_args(Unit)}, text))
    common = before & ({_NAME} if found is None else set(found.units))
    if not common:
        raise DataError(f"'{text}' after '{example}'; expected numbers of one unit, or names of a switch's positions")
    kinds[name] = common, text if common < before else example
    return text if is_word else format_number(value)
