"""`ondes evaluate audio` as a user calls it."""

import json
import re

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from recipes.cli.main import app
from recipes.metrics.alignment import Lag
from recipes.metrics.registry import METRICS
from vocoders.core.errors import ConfigError, DataError, OndesError


@pytest.fixture
def command():
    """Function that runs the command and returns (exit code, output); errors of the user are raised."""

    def call(*arguments):
        result = CliRunner().invoke(app, ["evaluate", "audio", *map(str, arguments)])
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


def _rows(output):
    """Return the first cells of the table; log lines may stand between."""
    return [line.split(" | ")[0] for line in output.splitlines() if line.startswith("| ")]


def test_one_row_per_system_and_all_files(command, corpus):
    code, output = command(
        "--ref", corpus / "ref", "--gen", corpus / "first/wav", "--gen", corpus / "second/wav", "--natural",
        "--metrics", "level_difference,dc_offset", "--out", corpus / "out/r.json", "--csv", corpus / "r.csv",
        "--markdown", corpus / "RESULTS.md", "--title", "A title",
    )  # fmt: skip
    assert code == 0
    assert _rows(output) == ["| system", "| ---", "| natural", "| first/wav", "| second/wav"]
    means = json.loads((corpus / "out/r.json").read_text())["systems"]
    assert means["first/wav"]["level_difference"]["mean"] == pytest.approx(-6.02, abs=0.01)
    assert means["second/wav"]["level_difference"]["mean"] == pytest.approx(6.02, abs=0.01)
    assert (corpus / "RESULTS.md").read_text().startswith("# A title\n")
    assert len((corpus / "r.csv").read_text().splitlines()) == 7


def test_published_figures_stand_on_the_page_and_need_one(command, corpus):
    figures = {"text": "Theirs.", "set": "dev", "columns": {"model": "model"}, "rows": [{"model": "published model"}]}
    (corpus / "published.yaml").write_text(json.dumps(figures))
    systems = ["--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset"]
    options = ["--published", corpus / "published.yaml"]
    with pytest.raises(OndesError, match="--markdown"):
        command(*systems, *options)
    assert command(*systems, *options, "--markdown", corpus / "RESULTS.md")[0] == 0
    assert "| published model | dev |" in (corpus / "RESULTS.md").read_text()


def test_named_systems_keep_the_order_of_the_command_line(command, corpus):
    _, output = command(
        "--ref", corpus / "ref", "--gen", f"loud={corpus}/second/wav", "--gen", corpus / "first/wav", "--metrics",
        "dc_offset",
    )  # fmt: skip
    assert _rows(output)[2:] == ["| loud", "| wav"]


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
    assert "missing: wav u1: " in output


def test_many_missing_files_are_one_line(command, corpus):
    for index in range(2, 8):
        (corpus / "ref" / f"u{index}.wav").touch()
    _, output = command("--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset")
    assert output.count("missing") == 1
    assert re.search("missing: wav: .* 6 utterances", output)


def test_mistakes_are_found_before_anything_is_measured(command, corpus):
    ref, first = corpus / "ref", corpus / "first/wav"
    with pytest.raises(ConfigError, match="'dc_offset'"):
        command("--ref", ref, "--gen", first, "--metrics", "dcoffset")
    with pytest.raises(ConfigError, match="is a folder"):
        command("--ref", ref, "--gen", first, "--metrics", "dc_offset", "--out", corpus)
    with pytest.raises(ConfigError, match="--out.* --csv"):
        command("--ref", ref, "--gen", first, "--metrics", "dc_offset", "--out", corpus / "a", "--csv", corpus / "a")
    with pytest.raises(ConfigError, match="--gen.* twice"):
        command("--ref", ref, "--gen", first, "--gen", first, "--metrics", "dc_offset")
    with pytest.raises(ConfigError, match="called 'x'"):
        command("--ref", ref, "--gen", f"x={first}", "--gen", f"x={ref}", "--metrics", "dc_offset")
    with pytest.raises(DataError, match="no such folder"):
        command("--ref", ref, "--gen", corpus / "nowhere", "--metrics", "dc_offset")
    (corpus / "empty").mkdir()
    with pytest.raises(DataError, match="no audio"):
        command("--ref", ref, "--gen", corpus / "empty", "--metrics", "dc_offset")


def test_the_help_names_every_metric_that_is_registered(command, monkeypatch):
    monkeypatch.setitem(METRICS, "metric_of_a_stranger", Lag)
    _, output = command("--help")
    words = {word.strip("│.,") for word in output.split()}
    assert "metric_of_a_stranger" in METRICS
    assert set(METRICS) <= words


def test_values_may_stand_in_a_row(command, corpus):
    code, output = command(
        "--ref", corpus / "ref", "--gen", corpus / "first/wav", corpus / "second/wav", "--metrics", "dc_offset", "mae",
        "level_difference", "--nj", "1",
    )  # fmt: skip
    assert code == 0
    assert "| system | n | DC (% FS) →0 | MAE ↓ | level (dB) →0 |" in output
    assert _rows(output)[2:] == ["| first/wav", "| second/wav"]


def test_the_page_is_written_with_as_many_files_as_wanted(command, corpus):
    pages = {}
    for count in (0, 1):
        code, _ = command(
            "--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "mae", "--report",
            corpus / f"{count}/page.html", "--report-files", count, "--title", "Heard",
        )  # fmt: skip
        assert code == 0
        pages[count] = (corpus / f"{count}/page.html").read_text()
    assert [page.count("<audio") for page in pages.values()] == [0, 2]
    assert "<h1>Heard</h1>" in pages[0]


def test_a_limit_on_the_difference_of_lengths(command, corpus):
    samples, rate = soundfile.read(corpus / "first/wav/u0.wav")
    soundfile.write(corpus / "first/wav/u0.wav", samples[:-4000], rate, subtype="FLOAT")
    arguments = ["--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset"]
    code, output = command(*arguments)
    assert code == 0
    assert re.search(r"cropped: wav u0: .* 0\.250 s", output)
    code, output = command(*arguments, "--max-difference", "0.2")
    assert code == 1
    assert re.search(r"failed: wav u0: 0\.250 s.* 0\.500 s", output)


def test_metrics_that_cannot_run_are_named(command, corpus, monkeypatch):
    monkeypatch.setattr("torch.hub.load", lambda *arguments, **options: 1 / 0)
    code, output = command(
        "--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset,utmos", "--out",
        corpus / "r.json",
    )  # fmt: skip
    assert code == 0
    assert "not run: UTMOS: " in output
    assert "| DC (% FS) →0 |" in output
    assert "utmos" in json.loads((corpus / "r.json").read_text())["not_run"]
    with pytest.raises(ConfigError, match="gain_trace'.* --dry"):
        command("--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "gain_trace")


def test_jobs_share_the_work_in_a_folder(command, corpus):
    work = ("--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "mae", "--keep", corpus / "kept")
    for number in (1, 2):
        code, output = command(*work, "--shard", f"{number}/2", "--csv", corpus / f"{number}.csv")
        assert code == 0
        assert len((corpus / f"{number}.csv").read_text().splitlines()) == 2
    assert len(list((corpus / "kept").iterdir())) == 2
    assert command(*work, "--csv", corpus / "all.csv")[0] == 0
    assert len((corpus / "all.csv").read_text().splitlines()) == 3
    with pytest.raises(ConfigError, match="--keep"):
        command(*work[:-2], "--shard", "1/2")
    with pytest.raises(ConfigError):
        command(*work[:-1], corpus / "1.csv")
