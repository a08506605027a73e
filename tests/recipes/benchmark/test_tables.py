"""Tables from JSON, and pages that hold them."""

import json
import re
from pathlib import Path

import pytest

from recipes.benchmark.tables import fill_tables, read_results, tables_markdown
from vocoders.core.errors import DataError


def speed_row(system, kind, rtf, seconds=1.0, **changes):
    return {
        "system": system,
        "kind": kind,
        "seconds_asked": seconds,
        "seconds": seconds,
        "threads": 1,
        "rtf": rtf,
        "samples_per_second": 24000 / rtf,
        "calls_per_second": None,
        "snr": None,
        "runs": [rtf],
    } | changes


@pytest.fixture
def document():
    described = {"kind": "vocoder", "sample_rate": 24000, "first_chunk": 0.0123, "memory_seconds": 10}
    return {
        "machine": "A processor",
        "device": "CPU",
        "torch": "2.11.0",
        "python": "3.11",
        "rounds": 5,
        "first_chunk_seconds": 0.25,
        "systems": [
            {"system": "ours", "parameters": 1234567, "macs": 6.5e8, "memory": {"peak": 7e8, "base": 5e8}, **described},
            {"system": "a|b", "parameters": 0, "macs": None, "memory": None, **described},
        ],
        "speed": [
            speed_row("ours", "vocoder", 0.05),
            speed_row("vocos", "peer", 0.1),
            speed_row("ours", "vocoder", 0.2, seconds=10.0),
            speed_row("vocos", "peer", 0.1, seconds=10.0),
        ],
        "blocks": [],
    }


def test_ratios_are_those_of_the_same_run(document):
    lines = tables_markdown(document).splitlines()
    assert lines[0].startswith("A processor, CPU, torch 2.11.0")
    assert "| system | audio | threads | RTF ↓ | x real time ↑ | samples/s | speed / vocos |" in lines
    assert "| ours | 1 s | 1 | 0.0500 | 20.0 | 480,000 | 2.00 |" in lines
    assert "| ours | 10 s | 1 | 0.2000 | 5.0 | 120,000 | 0.50 |" in lines


def test_sizes_and_empty_columns(document):
    text = tables_markdown(document)
    assert "| ours | 24000 Hz | 1,234,567 | 0.650 G | 12.3 ms | 700 MB | 200 MB |" in text
    assert "| a\\|b | 24000 Hz | 0 |  | 12.3 ms |  |  |" in text
    assert "SNR" not in text
    document["speed"][0] |= {"snr": 41.23, "calls_per_second": 80.04}
    assert "| 2.00 | 80.0 | 41.2 dB |" in tables_markdown(document)
    for row in document["systems"]:
        row["memory"] = None
    assert "peak memory" not in tables_markdown(document)


def test_effects_have_a_table_of_blocks(document):
    block = {"effect": "tcn", "block": 64, "threads": 1, "rtf": 0.2, "load_p95": 0.345, "load_max": 1.5, "latency": 3}
    document["blocks"] = [block]
    assert "| tcn | 64 | 1 | 0.2000 | 5.0 | 34 % | 150 % | 3 |" in tables_markdown(document)


def test_marked_tables_are_renewed_and_nothing_else(document, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "b.json").write_text(json.dumps(document))
    page = tmp_path / "README.md"
    text = "before\n<!-- table: results/b.json -->\nold\n<!-- end of table -->\nafter\n"
    page.write_text(2 * text)
    filled = fill_tables(page)
    assert filled == 2 * text.replace("old\n", tables_markdown(document))
    page.write_text(filled)
    assert fill_tables(page) == filled


def test_a_mark_names_the_systems_of_its_table(document, tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(document))
    page = tmp_path / "page.md"
    chosen = document["speed"][0]["system"]
    page.write_text(f"<!-- table: b.json of {chosen} -->\n<!-- end of table -->\n")
    only = {key: [row for row in document[key] if row["system"] == chosen] for key in ("systems", "speed")}
    assert tables_markdown({**document, **only}) in fill_tables(page)
    page.write_text("<!-- table: b.json of nobody -->\n<!-- end of table -->\n")
    with pytest.raises(DataError, match="nobody"):
        fill_tables(page)


def test_a_table_of_an_evaluation_is_the_one_of_its_page(tmp_path):
    import numpy as np
    import soundfile

    from recipes.metrics.evaluation import evaluate_systems
    from recipes.metrics.results import results_json, table_markdown

    for folder, gain in (("ref", 1.0), ("gen", 0.5)):
        (tmp_path / folder).mkdir()
        for index in range(3):
            samples = gain * 0.1 * np.random.default_rng(index).standard_normal(4000)
            soundfile.write(tmp_path / folder / f"u{index}.wav", samples, 16000)
    soundfile.write(tmp_path / "gen" / "u2.wav", np.zeros(4000), 16000)
    result = evaluate_systems(tmp_path / "ref", {"x": tmp_path / "gen"}, ["mae", "level_difference", "line_6k"])
    (tmp_path / "r.json").write_text(results_json(result))
    assert tables_markdown(read_results(tmp_path / "r.json")) == table_markdown(result)


@pytest.mark.parametrize(
    ("content", "cause"),
    [(None, "no such file"), ("{", "not valid JSON"), ("[]", "not a result of"), ('{"a": 1}', "not a result of")],
)
def test_files_that_hold_no_results(tmp_path, content, cause):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=cause):
        read_results(path)


def test_a_page_without_marks_is_told_how_to_mark(tmp_path):
    (tmp_path / "page.md").write_text("text")
    with pytest.raises(DataError, match="<!-- table: results.json -->"):
        fill_tables(tmp_path / "page.md")


def test_tables_of_the_repository_are_those_of_their_results(repository: Path):
    folders = (repository / "egs", repository / "tests" / "documents" / "website" / "pages")
    pages = [repository / "README.md", *(page for folder in folders for page in sorted(folder.rglob("*.md")))]
    marked = [page for page in pages if re.search(r"^<!-- table: ", page.read_text(encoding="utf-8"), re.MULTILINE)]
    if not marked:
        pytest.skip("no page marks a table")
    for page in marked:
        assert fill_tables(page) == page.read_text(encoding="utf-8"), f"renew it: ondes bench --fill {page}"
