"""Lines of an id and what belongs to it, the form of every Kaldi file: ``wav.scp``, ``utt2spk``, ``text`` ..."""

from collections.abc import Mapping
from pathlib import Path

from vocoders.core.errors import DataError
from vocoders.core.text import read_lines

__all__ = ["can_be_listed", "format_id_list", "read_file_list", "read_id_list"]


def read_id_list(
    path: Path, kind: str, *, value: str = "value", empty_values: bool = False, in_order: bool = False
) -> dict[str, str]:
    """Read lines of an id and a value.

    Args:
        path: the list.
        kind: what it is, for the message where there is none.
        value: what an id names, for the message where it stands alone.
        empty_values: whether an id may stand alone.
        in_order: whether ids must be sorted by their characters, as ``LC_ALL=C sort`` does with UTF-8.

    Raises:
        DataError: with file and line, for a list that cannot be read, and ids that stand alone, twice or out of order.
    """
    table: dict[str, str] = {}
    previous = ""
    for number, line in read_lines(path, kind):
        key, *rest = line.split(maxsplit=1)
        if not rest and not empty_values:
            raise DataError(f"{path} line {number}: '{line}' is a single field; expected '<id> <{value}>'")
        if key in table:
            raise DataError(f"{path} line {number}: '{key}' stands twice; ids must be unique")
        if in_order and key < previous:
            raise DataError(f"{path} line {number}: '{key}' stands after '{previous}'; sort with LC_ALL=C")
        table[key], previous = (rest[0] if rest else ""), key
    return table


def read_file_list(path: Path, kind: str, *, in_order: bool = False) -> dict[str, Path]:
    """Read lines of an id and a file, as in ``wav.scp``; a list may be empty.

    A relative path counts from the working directory, as in Kaldi, and where nothing stands there, from the list.

    Raises:
        DataError: as :func:`read_id_list`, and for commands in the place of files.
    """
    locations = read_id_list(path, kind, value="file", in_order=in_order)
    for name, location in locations.items():
        if location.startswith("|") or location.endswith("|"):
            raise DataError(
                f"{path}: '{name}' is the command '{location}'; commands are not run, write its output to a file and "
                "give that path"
            )
    return {name: _locate(path.parent, location) for name, location in locations.items()}


def format_id_list(rows: Mapping[str, str]) -> str:
    """Return lines of ids and values, sorted by id, which :func:`read_id_list` reads again.

    Raises:
        DataError: for an id or a value that cannot stand in a line.
    """
    for key, value in rows.items():
        if key.split() != [key] or not (can_be_listed(key) and can_be_listed(value)):
            raise DataError(f"{key!r} with {value!r} cannot stand in a line of a list; rename it")
    return "".join(f"{key} {rows[key]}".rstrip() + "\n" for key in sorted(rows))


def can_be_listed(text: str) -> bool:
    """Return whether ``text`` reads as itself from a line: no line break, no white space around it, no lone bytes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return text == text.strip() and not text.startswith("\ufeff") and "\n" not in text and "\r" not in text


def _locate(folder: Path, location: str) -> Path:
    path = Path(location)
    inside = folder / path
    return inside if not path.is_absolute() and not path.exists() and inside.exists() else path
