"""Seeing runs: the page of a run, runs beside each other, and services that show them."""

import json
import re
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from recipes.cli.main import app
from recipes.config import TrainConfig
from recipes.runs.comparison import compare_runs
from recipes.runs.curves import curve_plot, thin
from recipes.runs.history import read_run
from recipes.trackers import Trackers, check_trackers
from recipes.trainer import Trainer
from vocoders.core.errors import DataError, MissingExtraError, OndesError


@pytest.fixture(scope="module")
def runs(corpus, make_config, tmp_path_factory):
    """Two short runs with validations, of different learning rates."""
    root = tmp_path_factory.mktemp("runs")
    for name, rate in (("slow", 1e-4), ("fast", 1e-3)):
        config = make_config(corpus, max_steps=4, valid_every=2, valid_utterances=2, valid_clips=1).to_dict()
        config["data"] |= {"valid": str(corpus / "data")}
        config["optimizer"] |= {"learning_rate": rate}
        settings = TrainConfig.from_dict(config)
        (root / name).mkdir()
        (root / name / "config.yaml").write_text(settings.to_yaml())
        Trainer(settings, root / name).run()
    return root


def test_the_page_of_a_run_shows_curves_and_audio_and_needs_nothing_else(runs):
    page = (runs / "fast" / "report.html").read_text()
    names = read_run(runs / "fast").curves
    assert {"loss/mel", "valid/mel_l1", "best/valid/mel_l1", "steps_per_second"} <= names.keys()
    assert all(f"<figcaption>{name}</figcaption>" in page for name in names)
    # One utterance: the reference and two steps.
    assert page.count("<audio") == page.count("data:audio/flac;base64,") == page.count('src="data:image/png') == 3
    assert "step 2" in page
    assert "step 4" in page
    assert not re.search(r"https?://", page)
    assert "optimizer.learning_rate" in page


def test_runs_beside_each_other(runs, tmp_path):
    found = compare_runs([runs / "slow", runs / "fast"])
    results = {row[0]: row[1:] for row in found.results}
    last = [read_run(runs / name).curves["valid/mel_l1"][1][-1] for name in ("slow", "fast")]
    assert [float(value) for value in results["valid/mel_l1"]] == pytest.approx(last, rel=1e-3)
    assert results["steps"] == ["4", "4"]
    assert found.differences == [["optimizer.learning_rate", "0.0001", "0.001"]]
    command = ["train", "--compare", str(runs / "slow"), str(runs / "fast"), "-o", str(tmp_path / "runs.html")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "| valid/mel_l1 |" in result.output
    page = (tmp_path / "runs.html").read_text()
    assert page.count("<polyline") >= 2 * len(read_run(runs / "slow").curves) - 4
    for wrong in ([], [str(tmp_path)]):
        assert CliRunner().invoke(app, ["train", "--compare", *wrong]).exit_code != 0
    with pytest.raises(DataError, match="training run"):
        compare_runs([tmp_path])


def test_half_a_line_at_the_end_of_a_log_is_left_out_and_written_again(runs, tmp_path):
    shutil.copytree(runs / "slow", tmp_path / "killed")
    log = tmp_path / "killed" / "metrics.jsonl"
    whole = log.read_bytes()
    for end in (b'{"step": 5, "loss/mel": 1.', b"\0" * 300):
        log.write_bytes(whole + end)
        assert read_run(tmp_path / "killed").curves.keys() == read_run(runs / "slow").curves.keys()
        assert read_run(tmp_path / "killed").last_step == 4
    settings = TrainConfig.from_yaml(tmp_path / "killed" / "config.yaml", ["trainer.max_steps=5"])
    Trainer(settings, tmp_path / "killed", resume=True).run()
    assert log.read_bytes().startswith(whole)
    assert read_run(tmp_path / "killed").last_step == 5


@pytest.mark.parametrize("name", ["metrics.jsonl", "config.yaml"])
def test_a_damaged_run_is_named_in_one_line(name, runs, tmp_path):
    shutil.copytree(runs / "slow", tmp_path / "run", ignore=shutil.ignore_patterns("*.pt"))
    path = tmp_path / "run" / name
    path.write_text("a: [1\n  b: {2\n" + path.read_text())
    with pytest.raises(OndesError, match=re.escape(str(path))) as error:
        compare_runs([tmp_path / "run"])
    assert "\\n" not in str(error.value)


def test_many_points_become_means_and_faults_are_left_out():
    steps, values = np.arange(10_000), np.ones(10_000)
    values[5] = np.nan
    thinned = thin(steps, values)
    assert len(thinned[0]) <= 300
    assert np.all(thinned[1] == 1)
    assert curve_plot("x", {"run": (np.array([1]), np.array([np.inf]))}) == ""
    assert "circle" in curve_plot("x", {"run": (np.array([1]), np.array([2.0]))})
    decades = curve_plot("x", {"run": (np.array([1, 2, 3]), np.array([1e-3, 1.0, 1e3]))})
    heights = [float(pair.split(",")[1]) for pair in re.search(r'points="([^"]*)"', decades)[1].split()]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)


class FakeService:
    """What the package `wandb` has to have."""

    def __init__(self):
        self.started, self.lines, self.finished = [], [], 0
        self.config = SimpleNamespace(update=lambda values, **_: self.started.append(values))

    def init(self, **options):
        self.started.append(options)
        return SimpleNamespace(id=options.get("id", "first"), log=self.log, finish=self.finish)

    def log(self, values, step=None):
        if values.get("loss") == -1:
            raise ConnectionError("no network\nat all")
        self.lines.append((step, values))

    def finish(self):
        self.finished += 1


def test_a_service_gets_settings_and_values_and_goes_on_after_a_resume(tmp_path, monkeypatch, caplog):
    service = FakeService()
    monkeypatch.setitem(sys.modules, "wandb", service)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    trackers = Trackers(("tensorboard", "wandb"), tmp_path, {"trainer": {"seed": 1}, "data": {"train": None}})
    trackers.write(3, {"loss": 2.0})
    trackers.close()
    assert service.started[0]["mode"] == "offline"
    assert service.started[1] == {"trainer.seed": 1, "data.train": "None"}
    assert service.lines == [(3, {"loss": 2.0})]
    assert service.finished == 1
    again = Trackers(("wandb",), tmp_path, {})
    assert service.started[2]["id"] == json.loads((tmp_path / "trackers.json").read_text())["wandb"] == "first"
    again.write(4, {"loss": -1})
    again.write(5, {"loss": 1.0})
    assert len(service.lines) == 1
    assert caplog.text.count("wandb fails") == 1


def test_a_missing_service_is_told_before_the_run(corpus, make_config, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("wandb", "mlflow"):
        with pytest.raises(MissingExtraError, match=r"ondes\[trackers\]"):
            check_trackers([name])
    with pytest.raises(MissingExtraError):
        Trainer(make_config(corpus, trackers=["wandb"]), tmp_path)


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_the_real_service_keeps_its_files_in_the_run(name, tmp_path, monkeypatch, caplog):
    pytest.importorskip(name, reason="needs the extra 'trackers'")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for step in (1, 2):  # the second time as after a resume
        trackers = Trackers((name,), tmp_path, {"trainer": {"seed": step}})
        trackers.write(step, {"loss/mel": 2.0})
        trackers.close()
    assert "left out" not in caplog.text
    assert (tmp_path / {"wandb": "wandb", "mlflow": "mlflow.db"}[name]).exists()
    assert name in json.loads((tmp_path / "trackers.json").read_text())
