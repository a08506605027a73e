"""Markdown tables of results in JSON, and pages with such tables between marks.

A page says ``<!-- table: results.json -->`` and ``<!-- end of table -->``; what stands between the two is made from
that file, whose path counts from the page. Numbers in a README are then never typed by hand. ``<!-- table:
results.json of wavehax-24k compiled, vocos -->`` shows these systems alone.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recipes.metrics.results import stored_table_markdown
from vocoders.core.errors import DataError
from vocoders.core.json_files import read_json
from vocoders.core.text import read_text

__all__ = ["fill_tables", "read_results", "tables_markdown"]

_SECTION = re.compile(
    r"(<!-- table: (?P<file>[^\s>]+)(?: of (?P<systems>[^\n>]+?))? -->\n).*?(?P<end><!-- end of table -->)", re.DOTALL
)

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], str]]


def read_results(path: Path) -> dict[str, Any]:
    """Read a result that `ondes bench` or `ondes evaluate` wrote with ``--out``.

    Raises:
        DataError: if it cannot be read, or is something else.
    """
    try:
        document = read_json(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; 'ondes bench' and 'ondes evaluate' write it with --out") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(document, dict) or not ({"machine", "speed"} <= document.keys() or "metrics" in document):
        raise DataError(
            f"{path}: not a result of 'ondes bench' or 'ondes evaluate'; pass a file that one of them wrote with --out"
        )
    return document


def tables_markdown(document: Mapping[str, Any]) -> str:
    """Return the tables of a result, each followed by an empty line."""
    if "metrics" in document:
        return stored_table_markdown(document)
    tables = (_systems_table, _speed_table, _busy_table, _streams_table, _blocks_table)
    parts = [table(document) for table in tables]
    return "\n".join([f"{_machine(document)}\n", *filter(None, parts)])


def fill_tables(page: Path) -> str:
    """Return a page with every marked table renewed.

    Raises:
        DataError: if the page or a file that it names cannot be read, or no table is marked.
    """
    text = read_text(page, "page")
    if not _SECTION.search(text):
        raise DataError(
            f"{page} contains no table mark; write '<!-- table: results.json -->' and '<!-- end of table -->' on "
            "lines of their own"
        )

    def fill(section: re.Match[str]) -> str:
        document = read_results(page.parent / section["file"])
        if section["systems"]:
            document = _with_systems(document, section["systems"].split(", "), section["file"])
        return section[1] + tables_markdown(document) + section["end"]

    return _SECTION.sub(fill, text)


def _with_systems(document: Mapping[str, Any], systems: Sequence[str], file: str) -> dict[str, Any]:
    """Return a result of `ondes bench` with the rows of some systems alone."""
    lists = {key: rows for key in ("systems", "speed", "busy", "streams") if (rows := document.get(key))}
    missing = set(systems) - {row["system"] for rows in lists.values() for row in rows}
    if missing:
        raise DataError(f"{file} contains no system {', '.join(sorted(missing))}; see its tables: ondes bench --table")
    return {**document, **{key: [row for row in rows if row["system"] in systems] for key, rows in lists.items()}}


def _machine(document: Mapping[str, Any]) -> str:
    return (
        f"{document['machine']}, {document['device']}, torch {document['torch']}, Python {document['python']}; medians "
        f"of {document['rounds']} rounds after one to warm up, systems taking turns."
    )


def _systems_table(document: Mapping[str, Any]) -> str:
    columns: list[Column] = [
        ("system", lambda row: row["system"]),
        ("rate", lambda row: f"{row['sample_rate']} Hz"),
        ("parameters", lambda row: f"{row['parameters']:,}"),
        ("MACs per second of audio", lambda row: _optional(row["macs"], _count)),
        (f"first {document['first_chunk_seconds']:g} s", lambda row: _optional(row["first_chunk"], _milliseconds)),
        ("peak memory", lambda row: _optional(row["memory"], lambda found: _megabytes(found["peak"]))),
        ("over base", lambda row: _optional(row["memory"], lambda found: _megabytes(found["peak"] - found["base"]))),
    ]
    return _table(document["systems"], columns)


def _speed_table(document: Mapping[str, Any]) -> str:
    rows = document["speed"]
    peers = {(row["seconds_asked"], row["threads"], row["system"]): row["rtf"] for row in rows if row["kind"] == "peer"}

    def against(peer: str) -> Column:
        def ratio(row: Row) -> str:
            found = peers.get((row["seconds_asked"], row["threads"], peer))
            return "" if found is None else f"{found / row['rtf']:.2f}"

        return f"speed / {peer}", ratio

    names = dict.fromkeys(row["system"] for row in rows if row["kind"] == "peer")
    columns: list[Column] = [
        ("system", lambda row: row["system"]),
        ("audio", lambda row: f"{row['seconds_asked']:g} s"),
        ("threads", lambda row: str(row["threads"])),
        ("RTF ↓", lambda row: f"{row['rtf']:.4f}"),
        ("x real time ↑", lambda row: f"{1 / row['rtf']:.1f}"),
        ("samples/s", lambda row: f"{row['samples_per_second']:,.0f}"),
        *map(against, names),
        ("calls/s", lambda row: _optional(row["calls_per_second"], lambda value: f"{value:.1f}")),
        ("SNR", lambda row: _optional(row["snr"], lambda value: f"{value:.1f} dB")),
    ]
    return _table(rows, columns)


def _busy_table(document: Mapping[str, Any]) -> str:
    columns: list[Column] = [
        ("system", lambda row: row["system"]),
        ("audio", lambda row: f"{row['seconds_asked']:g} s"),
        ("threads", lambda row: str(row["threads"])),
        ("busy processes", lambda row: str(row["load"])),
        ("RTF ↓", lambda row: f"{row['rtf']:.4f}"),
        ("RTF without ↓", lambda row: f"{row['quiet_rtf']:.4f}"),
        ("times slower ↓", lambda row: f"{row['rtf'] / row['quiet_rtf']:.2f}"),
    ]
    return _table(document.get("busy", ()), columns)


def _streams_table(document: Mapping[str, Any]) -> str:
    columns: list[Column] = [
        ("stream", lambda row: row["system"]),
        ("chunk (frames)", lambda row: str(row["chunk"])),
        ("threads", lambda row: str(row["threads"])),
        ("first audio after ↓", lambda row: _optional(row["first_audio"], _milliseconds)),
        ("latency ↓", lambda row: _milliseconds(row["latency"])),
        ("of it computing", lambda row: _milliseconds(row["time"])),
        ("computing p95", lambda row: _milliseconds(row["time_p95"])),
        ("CPU time", lambda row: _milliseconds(row["cpu"])),
        ("RTF ↓", lambda row: f"{row['rtf']:.4f}"),
    ]
    return _table(document.get("streams", ()), columns)


def _blocks_table(document: Mapping[str, Any]) -> str:
    columns: list[Column] = [
        ("effect", lambda row: row["effect"]),
        ("block", lambda row: str(row["block"])),
        ("threads", lambda row: str(row["threads"])),
        ("RTF ↓", lambda row: f"{row['rtf']:.4f}"),
        ("x real time ↑", lambda row: f"{1 / row['rtf']:.1f}"),
        ("load p95 ↓", lambda row: f"{100 * row['load_p95']:.0f} %"),
        ("load max ↓", lambda row: f"{100 * row['load_max']:.0f} %"),
        ("latency (samples)", lambda row: str(row["latency"])),
    ]
    return _table(document["blocks"], columns)


def _table(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Return a table without empty columns."""
    cells = [(heading, [text(row) for row in rows]) for heading, text in columns]
    cells = [(heading, column) for heading, column in cells if any(column)]
    if not rows:
        return ""
    lines = [[heading for heading, _ in cells], ["---"] + ["---:"] * (len(cells) - 1)]
    lines += [[column[index].replace("|", "\\|") for _, column in cells] for index in range(len(rows))]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _optional(value: Any, text: Callable[[Any], str]) -> str:
    return "" if value is None else text(value)


def _count(value: float) -> str:
    return f"{value / 1e9:.3f} G" if value >= 1e8 else f"{value / 1e6:.2f} M"


def _milliseconds(value: float) -> str:
    return f"{1000 * value:.1f} ms"


def _megabytes(value: float) -> str:
    return f"{value / 1e6:.0f} MB"
