"""Published figures, alone or beside those of a run, as a section of a page.

Usage: published.py PUBLISHED.yaml [RESULTS.json PAGE.md SET]

PUBLISHED.yaml names the set that the figures are of, the columns (a metric of `ondes evaluate`, or anything else) and
the rows. With the results of a run on SET, one row for each of its systems is added, and the section is put at the end
of PAGE.md; else it is printed. Each row says what set it is of.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

HEADING = "## Published"


def section(published: Mapping[str, Any], results: Mapping[str, Any] | None = None, own_set: str = "") -> str:
    """Return the section: heading, text and table; systems of a run on ``own_set`` stand below the published rows."""
    names = list(published["columns"])
    titles = [published["columns"][names[0]], "set", *(published["columns"][name] for name in names[1:])]
    rows = [
        [str(row[names[0]]), published["set"], *(str(row.get(name, "")) for name in names[1:])]
        for row in published["rows"]
    ]
    if results is not None:
        rows += [_own_row(system, own_set, values, names[1:]) for system, values in results["systems"].items()]
    lines = [_line(titles), f"|---|---|{'---:|' * (len(titles) - 2)}\n", *map(_line, rows)]
    return f"{HEADING}\n\n{published['text'].strip()}\n\n{''.join(lines)}"


def _line(cells: Sequence[str]) -> str:
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|\n"


def _own_row(system: str, own_set: str, values: Mapping[str, Any], columns: list[str]) -> list[str]:
    """Return the means of a system; a metric with another tracker (periodicity:swift) stands in the column too."""
    means = {name.partition(":")[0]: summary["mean"] for name, summary in values.items()}
    found = [means.get(name) for name in columns]
    return [f"ours: {system}", own_set, *("" if mean is None else f"{mean:.4g}" for mean in found)]


def main(arguments: list[str]) -> None:
    """Print the section, or put it into a page."""
    published = yaml.safe_load(Path(arguments[0]).read_text(encoding="utf-8"))
    if len(arguments) == 1:
        sys.stdout.write(section(published))
        return
    results, page = json.loads(Path(arguments[1]).read_text(encoding="utf-8")), Path(arguments[2])
    before = page.read_text(encoding="utf-8").partition(HEADING)[0].rstrip()
    page.write_text(f"{before}\n\n{section(published, results, arguments[3])}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
