"""Tables saved by spreadsheets and editors: commas, semicolons or tabs, quotes, any encoding and line end."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocoders.core.errors import DataError
from vocoders.core.text import read_text

__all__ = ["Row", "Table", "format_table", "read_table"]

_DELIMITERS = ",;\t"
# The line in which spreadsheets declare the delimiter.
_DECLARATION = re.compile(rf'"?sep=([{_DELIMITERS}])"?', re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        line: number of its first line in the file, from 1.
        cells: text of each column without surrounding white space; empty where the row has none.
    """

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """A table whose first row names its columns.

    Attributes:
        path: the file.
        columns: names of the columns, all different.
        rows: the rows that are not empty, at least one.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: str | Path, kind: str, expected: str) -> Table:
    """Read a table.

    The delimiter is that of the first row: comma, semicolon or tab. Cells may be quoted; a row may be shorter than the
    first one, and longer by empty cells.

    Args:
        path: the file.
        kind: kind of table, for error messages.
        expected: expected content, for error messages.

    Raises:
        DataError: if it is no such table; the message names file and line.
    """
    path = Path(path)
    text = read_text(path, kind, limit="table")
    if "\0" in text:
        raise DataError(f"{path}: cannot be read as text: it contains zeros; save the table as CSV in UTF-8")
    delimiter, rows = _split(text, path)
    if len(rows) < 2:
        raise DataError(f"{path}: {len(rows)} rows; expected {expected}")
    (line, header), *body = rows
    columns = tuple(_without_empty_end(header))
    if "" in columns or len(set(columns)) < len(columns):
        raise DataError(f"{path} line {line}: columns {', '.join(map(repr, columns))}; expected different names")
    return Table(path, columns, tuple(_row(path, number, columns, cells, delimiter) for number, cells in body))


def format_table(columns: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str = ",") -> str:
    """Return a table as text for :func:`read_table`, in lines that end with a line feed."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _split(text: str, path: Path) -> tuple[str, list[tuple[int, list[str]]]]:
    """Return the delimiter, and the cells and the line number of each row that is not empty."""
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    declared = _DECLARATION.fullmatch(lines[first].strip(" "))
    names = re.sub(r'"[^"]*"', "", lines[first])
    delimiter = declared[1] if declared else max(_DELIMITERS, key=names.count)
    start = first + bool(declared)
    body = (f"{line}\n" for line in lines[start:])
    reader = csv.reader(body, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        return delimiter, [(line, cells) for line, cells in _numbered(reader, start) if any(cells)]
    except csv.Error as error:
        raise DataError(f"{path} line {start + reader.line_num}: no row of a table: {error}") from None


def _numbered(reader: Any, start: int) -> Iterator[tuple[int, list[str]]]:
    line = start + 1
    for cells in reader:
        yield line, [cell.strip() for cell in cells]
        line = start + reader.line_num + 1


def _row(path: Path, line: int, columns: Sequence[str], cells: Sequence[str], delimiter: str) -> Row:
    cells = _without_empty_end(cells)
    if len(cells) > len(columns):
        hint = "; put a number with a decimal comma in quotes, or use semicolons" if delimiter == "," else ""
        raise DataError(f"{path} line {line}: {len(cells)} cells; expected {len(columns)}: {', '.join(columns)}{hint}")
    cells += [""] * (len(columns) - len(cells))
    return Row(line, dict(zip(columns, cells, strict=True)))


def _without_empty_end(cells: Sequence[str]) -> list[str]:
    """Remove empty cells at the end: a spreadsheet saves every column that was ever used."""
    last = max((number for number, cell in enumerate(cells) if cell), default=-1)
    return list(cells[: last + 1])
