"""Tables as spreadsheets save them, and the tables that are written here."""

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from vocoders.core.errors import DataError
from vocoders.core.numbers import format_number, split_number
from vocoders.core.tables import Table, format_table, read_table

# Characters that every encoding here holds.
LETTERS = "abcXYZ019 ._-/éäñß€–"
CELLS = st.text(LETTERS + ',;\t"\n', max_size=8).map(str.strip)
NAMES = st.lists(st.text(LETTERS + '"', min_size=1, max_size=6), min_size=2, max_size=4)


def read(path) -> Table:
    return read_table(path, "table", "a table")


def contents(table: Table) -> list[list[str]]:
    return [[row.cells[column] for column in table.columns] for row in table.rows]


def write(cell: str, delimiter: str, quote_all: bool) -> str:
    """A cell as a spreadsheet saves it."""
    needed = quote_all or any(mark in cell for mark in (delimiter, '"', "\n"))
    return '"' + cell.replace('"', '""') + '"' if needed else cell


def _is_also_utf8(written: bytes) -> bool:
    """Tell whether bytes mean something else in UTF-8: nobody can know then which of the two was meant."""
    try:
        return not written.decode("utf-8").isascii()
    except UnicodeDecodeError:
        return False


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    data=st.data(),
    columns=NAMES.map(lambda names: [f"{number}{name}".strip() for number, name in enumerate(names)]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    decimal=st.sampled_from([".", ","]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quote_all=st.booleans(),
    padding=st.integers(0, 2),
    declared=st.booleans(),
)
def test_whatever_a_spreadsheet_saves_reads_equal(
    tmp_path, data, columns, encoding, delimiter, decimal, end, quote_all, padding, declared
) -> None:
    numbers = st.decimals(-1000, 1000, places=3)
    rows = data.draw(st.lists(st.tuples(numbers, *[CELLS] * (len(columns) - 1)), min_size=1, max_size=4))
    lines = ["sep=" + delimiter] if declared else []
    for row in ([columns], rows):
        for first, *rest in row:
            cells = [str(first).replace(".", decimal) if row is rows else first, *rest]
            lines += [delimiter.join(write(cell, delimiter, quote_all) for cell in cells) + padding * delimiter, ""]
    # Quoted line breaks are those of the file.
    written = "\n".join(lines).replace("\n", end).encode(encoding)
    assume(encoding != "cp1252" or not _is_also_utf8(written))
    (tmp_path / "table.csv").write_bytes(written)
    table = read(tmp_path / "table.csv")
    assert table.columns == tuple(columns)
    found = contents(table)
    assert [row[1:] for row in found] == [list(row[1:]) for row in rows]
    assert [split_number(row[0]) for row in found] == [(row[0], "") for row in rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    columns=NAMES.map(lambda names: [f"{number}{name}".strip() for number, name in enumerate(names)]),
    cells=st.lists(st.text(max_size=8).map(lambda text: "x" + text.replace("\r", "").replace("\0", ""))),
    delimiter=st.sampled_from([",", "\t"]),
)
def test_what_is_written_is_read_again(tmp_path, columns, cells, delimiter) -> None:
    # Space around a cell is no part of it, also where it ends with what was left out.
    cells = [cell.encode("utf-8", "replace").decode().replace("\n\ufeff", "").strip() for cell in cells]
    rows = [[cell, *[""] * (len(columns) - 2), "last"] for cell in cells] or [["x"] * len(columns)]
    (tmp_path / "table").write_text(format_table(columns, rows, delimiter), encoding="utf-8", newline="")
    table = read(tmp_path / "table")
    assert table.columns == tuple(columns)
    assert contents(table) == rows


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"a, b",c\n1,2\n', ("a, b", "c")),
        ('"a, b, d";c\n1;2\n', ("a, b, d", "c")),
        ("a, b\tc\td\n1\t2\t3\n", ("a, b", "c", "d")),
        ('a, "b", c\n1, 2\n', ("a", "b", "c")),
    ],
)
def test_names_tell_what_separates_columns(tmp_path, text: str, names: tuple[str, ...]) -> None:
    (tmp_path / "table").write_text(text)
    table = read(tmp_path / "table")
    assert table.columns == names
    assert list(table.rows[0].cells.values())[:2] == ["1", "2"]


def test_rows_know_their_lines(tmp_path) -> None:
    (tmp_path / "table").write_text('\n\na,b\n\n1,"two\nlines"\n , \n3\n')
    table = read(tmp_path / "table")
    assert [row.line for row in table.rows] == [5, 8]
    assert contents(table) == [["1", "two\nlines"], ["3", ""]]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "0 rows"),
        ("a,b\n", "1 rows"),
        ("a,a\n1,2\n", "line 1: .*different names"),
        ("a,,b\n1,2,3\n", "line 1: .*different names"),
        ("a,b\n1,2\n\n3,5,6\n", "line 4: 3 cells; expected 2: a, b; .*semicolons"),
        ("a;b\n1;2;3\n", "line 2: 3 cells; expected 2"),
        ('a,b\n1,2\n"3,4\n5,6\n', "line 5: no row"),
        ('a,b\n"1"2,3\n', "line 2: no row"),
        ("a,b\n1,\0\n", "as text"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(tmp_path, text: str, match: str) -> None:
    (tmp_path / "table").write_text(text)
    with pytest.raises(DataError, match=match) as caught:
        read(tmp_path / "table")
    assert "\n" not in str(caught.value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_plain_numbers_read_as_themselves(value: float) -> None:
    text = format_number(value)
    assert "e" not in text.lower()
    assert float(text) == value
    number, rest = split_number(text)
    assert (float(number), rest) == (value, "")


@pytest.mark.parametrize(("value", "text"), [(65.0, "65"), (-3.5, "-3.5"), (5e-6, "0.000005"), (100, "100")])
def test_plain_numbers_are_short(value: float, text: str) -> None:
    assert format_number(value) == text
