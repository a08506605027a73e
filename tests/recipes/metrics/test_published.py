"""Figures of a paper beside those of a run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from recipes.metrics.evaluation import evaluate_systems
from recipes.metrics.published import PublishedFigures
from recipes.metrics.results import results_markdown

EGS = Path(__file__).parents[3] / "egs"
FIGURES = {
    "text": "Of another set.",
    "set": "dev",
    "columns": {"model": "model", "year": "year", "mae": "MAE"},
    "rows": [{"model": "theirs", "mae": "0.5"}],
}


def test_rows_of_the_run_stand_below_and_name_their_set(tmp_path):
    for folder, level in (("ref", 0.5), ("gen", 0.25)):
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "a.wav", np.full(4000, level), 16000)
    result = evaluate_systems(tmp_path / "ref", {"mine": tmp_path / "gen"}, ("mae", "level_difference"))
    page = results_markdown(result, published=PublishedFigures.from_dict(FIGURES))
    assert page.count("## Published") == 1
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()[-4:]]
    assert table[0] == ["model", "set", "year", "MAE"]
    assert table[2] == ["theirs", "dev", "", "0.5"]
    assert table[3] == ["ours: mine", "test, 1 utterance", "", "0.25"]


def test_a_value_of_another_tracker_than_the_published_one_is_marked():
    result: Any = SimpleNamespace(
        systems=["mine"],
        scores=[SimpleNamespace(utt_id="a"), SimpleNamespace(utt_id="b")],
        metrics=[SimpleNamespace(name="periodicity:swift"), SimpleNamespace(name="mae")],
        summary=lambda system, name: SimpleNamespace(mean=0.5),
    )
    columns = {"model": "model", "periodicity": "periodicity", "mae": "MAE", "utmos": "UTMOS"}
    figures = PublishedFigures.from_dict(FIGURES | {"columns": columns})
    assert figures.section(result).splitlines()[-1] == "| ours: mine | test, 2 utterances | 0.5 (swift) | 0.5 | |"


@pytest.mark.parametrize("path", sorted(EGS.glob("*/*/published.yaml")), ids=lambda path: path.parent.name)
def test_pages_hold_what_the_recipe_states(path):
    figures = PublishedFigures.from_yaml(path)
    assert all(row.keys() <= figures.columns.keys() for row in figures.rows)
    lines = (path.parent / "RESULTS.md").read_text(encoding="utf-8").splitlines()
    for row in figures.rows:
        assert any(all(f"| {value} " in line for value in row.values()) for line in lines), row
