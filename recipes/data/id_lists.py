"""Lists with an id and a value in each line, the form of every Kaldi file: ``wav.scp``, ``utt2spk``, ``text`` ..."""

from collections.abc import Mapping
from pathlib import Path

from recipes.data.commands import is_command, run_command
from vocoders.core.errors import DataError
from vocoders.core.text import read_lines

__all__ = ["can_be_listed", "format_file_list", "format_id_list", "read_file_list", "read_id_list"]


def read_id_list(
    path: Path, kind: str, *, value: str = "value", empty_values: bool = False, in_order: bool = False
) -> dict[str, str]:
    """Read lines of an id and a value.

    Args:
        path: the list.
        kind: name of the list, for the message if it is missing.
        value: name of the value, for the message if it is missing.
        empty_values: whether an id may have no value.
        in_order: whether ids must be sorted by their characters, as ``LC_ALL=C sort`` does with UTF-8.

    Raises:
        DataError: with file and line, for an unreadable list, and ids without value, repeated or out of order.
    """
    table: dict[str, str] = {}
    previous = ""
    for number, line in read_lines(path, kind):
        key, *rest = line.split(maxsplit=1)
        if not rest and not empty_values:
            raise DataError(f"{path} line {number}: '{line}' is a single field; expected '<id> <{value}>'")
        if key in table:
            raise DataError(f"{path} line {number}: '{key}' occurs twice; ids must be unique")
        if in_order and key < previous:
            raise DataError(f"{path} line {number}: '{key}' stands after '{previous}'; sort with LC_ALL=C")
        table[key], previous = (rest[0] if rest else ""), key
    return table


def read_file_list(path: Path, kind: str, *, in_order: bool = False) -> dict[str, Path]:
    """Read lines of an id and a file, as in ``wav.scp``; a list may be empty.

    A relative path is relative to the working directory, as in Kaldi, or if nothing is there, to the list.

    Raises:
        DataError: as :func:`read_id_list`, and for commands instead of files, unless the user allows them.
    """
    locations = read_id_list(path, kind, value="file", in_order=in_order)
    return {
        name: run_command(location, f"{path}: '{name}'") if is_command(location) else _locate(path.parent, location)
        for name, location in locations.items()
    }


def format_id_list(rows: Mapping[str, str]) -> str:
    """Return lines of ids and values, sorted by id, which :func:`read_id_list` reads again.

    Raises:
        DataError: for an id or a value that cannot be written in a line.
    """
    for key, value in rows.items():
        if key.split() != [key] or not (_is_line(key) and _is_line(value)):
            raise DataError(f"{key!r} with {value!r} cannot stand in a line of a list; rename it")
    return "".join(f"{key} {rows[key]}".rstrip() + "\n" for key in sorted(rows))


def format_file_list(files: Mapping[str, Path]) -> str:
    """Return lines of ids and files, sorted by id, which :func:`read_file_list` reads again.

    Raises:
        DataError: as :func:`format_id_list`, and for a file that would be read as a command.
    """
    for key, file in files.items():
        if not can_be_listed(file):
            raise DataError(f"'{key}': {str(file)!r} cannot be written to a list of files; rename it")
    return format_id_list({key: str(file) for key, file in files.items()})


def can_be_listed(file: Path) -> bool:
    """Return whether a list can contain a file: no line break, '|' at an end, or byte outside UTF-8 in its path."""
    location = str(file)
    return _is_line(location) and not location.startswith("|") and not location.endswith("|")


def _is_line(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return text == text.strip() and not text.startswith("\ufeff") and not set(text) & {"\n", "\r", "\0"}


def _locate(folder: Path, location: str) -> Path:
    path = Path(location)
    inside = folder / path
    try:
        return inside if not path.is_absolute() and not path.exists() and inside.exists() else path
    except OSError:  # a name that the system refuses, as too long; whoever opens it is told
        return path
