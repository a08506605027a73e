"""`ondes evaluate` as a user calls it."""

import json

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from recipes.cli.evaluate import register
from recipes.metrics.registry import METRICS
from vocoders.core.errors import ConfigError, DataError, OndesError


@pytest.fixture
def command():
    """Function that runs the command and returns (exit code, output); errors of the user are raised."""
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)

    def call(*arguments):
        result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
        if isinstance(result.exception, OndesError):
            raise result.exception
        return result.exit_code, result.output

    return call


@pytest.fixture
def corpus(tmp_path):
    """References and two systems, both called ``wav`` in folders of their own."""
    for folder, gain in (("ref", 1.0), ("first/wav", 0.5), ("second/wav", 2.0)):
        (tmp_path / folder).mkdir(parents=True)
        for index in range(2):
            samples = gain * 0.1 * np.random.default_rng(index).standard_normal(8000)
            soundfile.write(tmp_path / folder / f"u{index}.wav", samples, 16000, subtype="FLOAT")
    return tmp_path


def test_one_row_per_system_and_all_files(command, corpus):
    code, output = command(
        "--ref", corpus / "ref", "--gen", corpus / "first/wav", "--gen", corpus / "second/wav", "--natural",
        "--metrics", "level_difference,dc_offset", "--out", corpus / "out/r.json", "--csv", corpus / "r.csv",
        "--markdown", corpus / "RESULTS.md", "--title", "A title",
    )  # fmt: skip
    assert code == 0
    rows = [line.split(" | ")[0] for line in output.splitlines() if line.startswith("| ")]
    assert rows == ["| system", "| ---", "| natural", "| first/wav", "| second/wav"]
    means = json.loads((corpus / "out/r.json").read_text())["systems"]
    assert means["first/wav"]["level_difference"]["mean"] == pytest.approx(-6.02, abs=0.01)
    assert means["second/wav"]["level_difference"]["mean"] == pytest.approx(6.02, abs=0.01)
    assert (corpus / "RESULTS.md").read_text().startswith("# A title\n")
    assert len((corpus / "r.csv").read_text().splitlines()) == 7


def test_named_systems_keep_the_order_of_the_command_line(command, corpus):
    _, output = command(
        "--ref", corpus / "ref", "--gen", f"loud={corpus}/second/wav", "--gen", corpus / "first/wav", "--metrics",
        "dc_offset",
    )  # fmt: skip
    assert [line.split(" | ")[0] for line in output.splitlines()[2:]] == ["| loud", "| wav"]


def test_a_failed_pair_is_named_and_exits_with_1(command, corpus):
    (corpus / "first/wav/u1.wav").write_bytes(b"")
    code, output = command("--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset")
    assert code == 1
    assert "| wav | 1 |" in output
    assert "failed: wav u1: " in output
    assert "empty" in output


def test_a_missing_file_is_named_without_failing(command, corpus):
    (corpus / "first/wav/u1.wav").unlink()
    code, output = command("--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset")
    assert code == 0
    assert "missing: wav u1: no generated file" in output


def test_many_missing_files_are_one_line(command, corpus):
    for index in range(2, 8):
        (corpus / "ref" / f"u{index}.wav").touch()
    _, output = command("--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset")
    assert output.count("missing") == 1
    assert "missing: wav: no generated file for 6 utterances" in output


def test_mistakes_are_found_before_anything_is_measured(command, corpus):
    ref, first = corpus / "ref", corpus / "first/wav"
    with pytest.raises(ConfigError, match="did you mean 'dc_offset'"):
        command("--ref", ref, "--gen", first, "--metrics", "dcoffset")
    with pytest.raises(ConfigError, match="is a folder"):
        command("--ref", ref, "--gen", first, "--metrics", "dc_offset", "--out", corpus)
    with pytest.raises(ConfigError, match="two results"):
        command("--ref", ref, "--gen", first, "--metrics", "dc_offset", "--out", corpus / "a", "--csv", corpus / "a")
    with pytest.raises(ConfigError, match="one folder stands twice"):
        command("--ref", ref, "--gen", first, "--gen", first, "--metrics", "dc_offset")
    with pytest.raises(ConfigError, match="called 'x'"):
        command("--ref", ref, "--gen", f"x={first}", "--gen", f"x={ref}", "--metrics", "dc_offset")
    with pytest.raises(DataError, match="no such folder"):
        command("--ref", ref, "--gen", corpus / "nowhere", "--metrics", "dc_offset")
    (corpus / "empty").mkdir()
    with pytest.raises(DataError, match="no audio in this folder"):
        command("--ref", ref, "--gen", corpus / "empty", "--metrics", "dc_offset")


def test_the_help_names_every_metric(command):
    _, output = command("--help")
    words = {word.strip("│.,") for word in output.split()}
    assert set(METRICS) <= words
