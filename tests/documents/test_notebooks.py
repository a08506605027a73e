"""The notebooks run from top to bottom, and show models, sound and pictures."""

import os
from pathlib import Path

import pytest
from document_commands import REPOSITORY

nbformat = pytest.importorskip("nbformat", reason="notebooks are read with the extra 'dev'")

NOTEBOOKS = sorted((REPOSITORY / "tests/documents/website/notebooks").glob("*.ipynb"))
FAMILIES = {"wavehax", "periodwave", "sashimi", "effects"}


def test_there_is_one_for_each_shipped_family_without_stored_outputs() -> None:
    assert {path.stem for path in NOTEBOOKS} == FAMILIES
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert not any(cell.outputs or cell.execution_count for cell in code)
        for cell in code:
            compile(cell.source, path.name, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_shows_what_it_makes(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient", reason="notebooks are run with the extra 'dev'")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    pages = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert any("parameters" in page for page in pages)
    assert any("<audio" in page and "<img" in page for page in pages)
