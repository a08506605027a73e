"""A run over files: every value is kept, every broken pair is listed, processes change nothing."""

import csv
import io
import json
import math
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from recipes.data.parallel import map_parallel
from recipes.metrics.evaluation import Alignment, evaluate_pairs, evaluate_systems, measure
from recipes.metrics.pairing import Clip, Pair
from recipes.metrics.registry import METRICS, create_metrics
from recipes.metrics.results import format_summary, results_csv, results_json, results_markdown, timing_line
from vocoders.core.errors import ConfigError, DataError, MissingExtraError
from vocoders.core.tables import read_table

RATE = 16000


@pytest.fixture
def corpus(tmp_path):
    """Three references of noise and a system whose files are half as loud."""
    rng = np.random.default_rng(0)
    for index in range(3):
        samples = 0.2 * rng.standard_normal(8000)
        write(tmp_path / "ref" / f"u{index}.wav", samples)
        write(tmp_path / "half" / f"u{index}.wav", samples / 2)
    return tmp_path


def write(path, samples, rate=RATE):
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, samples, rate, subtype="FLOAT")


def run(corpus, systems=("half",), metrics=("level_difference", "mstft"), **options):
    return evaluate_systems(corpus / "ref", {name: corpus / name for name in systems}, metrics, **options)


def test_values_are_those_of_the_metric_on_each_pair(corpus):
    result = run(corpus)
    assert [score.utt_id for score in result.scores] == ["u0", "u1", "u2"]
    metric = create_metrics(["mstft"])[0]
    for score in result.scores:
        files = [corpus / folder / f"{score.utt_id}.wav" for folder in ("ref", "half")]
        audio = [torch.from_numpy(soundfile.read(file, dtype="float32")[0]) for file in files]
        assert score.values["mstft"] == measure(*audio, RATE, [metric])[0]["mstft"]
    summary = result.summary("half", "level_difference")
    assert summary.mean == pytest.approx(-20 * math.log10(2), abs=1e-4)
    assert summary.n == 3
    assert summary.low <= summary.mean <= summary.high
    assert result.problems == ()
    assert result.systems == ("half",)


def test_several_processes_give_the_same_result(corpus):
    alone, together = (run(corpus, metrics=["level_difference", "dc_offset"], nj=nj) for nj in (1, 2))
    assert alone.scores == together.scores


def test_the_natural_row_is_perfect(corpus):
    result = run(corpus, natural=True)
    assert result.systems == ("natural", "half")
    assert result.summary("natural", "mstft").mean == 0
    with pytest.raises(ConfigError, match="'natural'"):
        evaluate_systems(corpus / "ref", {"natural": corpus / "half"}, ["mstft"], natural=True)


def test_every_broken_pair_is_listed_and_the_others_are_measured(corpus):
    (corpus / "half" / "u1.wav").write_text("not audio at all")
    write(corpus / "ref" / "u3.wav", np.ones(8000) * 0.1)
    write(corpus / "half" / "u3.wav", np.ones(8000) * 0.1, rate=8000)
    write(corpus / "ref" / "u4.wav", np.ones(8000) * 0.1)
    write(corpus / "half" / "u4.wav", np.ones((8000, 2)) * 0.1)
    write(corpus / "ref" / "u5.wav", np.ones(8000) * 0.1)
    write(corpus / "half" / "u5.wav", np.ones(32000) * 0.1)
    write(corpus / "ref" / "u6.wav", np.array([0.1, np.nan, 0.1]))
    write(corpus / "half" / "u6.wav", np.ones(3))
    write(corpus / "ref" / "u7.wav", np.ones(3))
    result = run(corpus)
    assert [score.utt_id for score in result.scores] == ["u0", "u2"]
    failures = {problem.utt_id: problem.message for problem in result.failures}
    assert failures.keys() == {"u1", "u3", "u4", "u5", "u6"}
    assert "text file" in failures["u1"]
    assert re.search("8000 Hz.* 16000 Hz.* --resample", failures["u3"])
    assert re.search("2 channels.* 1", failures["u4"])
    assert re.search(r"2\.000 s.* 0\.500 s", failures["u5"])
    assert failures["u6"].startswith("reference: ")
    assert "NaN" in failures["u6"]
    assert [(p.utt_id, p.kind) for p in result.problems if p.kind != "failed"] == [("u7", "missing")]


def test_a_metric_that_fails_leaves_the_other_values(corpus):
    write(corpus / "half" / "u0.wav", np.zeros(8000))
    write(corpus / "ref" / "u1.wav", np.zeros(8000))
    result = run(corpus)
    assert [len(score.values) for score in result.scores] == [1, 0, 2]
    kinds = {(p.utt_id, p.metric, p.kind) for p in result.problems}
    assert kinds == {
        ("u0", "level_difference", "failed"),
        ("u1", "level_difference", "undefined"),
        ("u1", "mstft", "undefined"),
    }
    assert result.summary("half", "level_difference").n == 1
    assert format_summary(result, "half", result.metrics[0]).endswith("(n=1)")


def test_an_unexpected_error_of_a_metric_is_a_failure_of_that_value(corpus):
    metric = create_metrics(["level_difference"])[0]
    metric.measure = lambda pair: 1 / 0
    result = run(corpus, metrics=[metric])
    assert len(result.failures) == 3
    assert result.failures[0].message == "ZeroDivisionError: division by zero"


def test_lengths_are_cut_to_the_shorter_and_a_long_difference_is_said(corpus):
    samples, _ = soundfile.read(corpus / "ref" / "u0.wav")
    write(corpus / "half" / "u0.wav", np.append(samples, np.ones(400)))
    samples, _ = soundfile.read(corpus / "ref" / "u1.wav")
    write(corpus / "half" / "u1.wav", samples[:6000])
    result = run(corpus)
    assert [round(score.cropped, 4) for score in result.scores] == [0.025, 0.125, 0]
    assert [round(score.duration, 4) for score in result.scores] == [0.5, 0.375, 0.5]
    assert [score.values["level_difference"] for score in result.scores[:2]] == pytest.approx([0, 0], abs=1e-6)
    assert [(p.utt_id, p.kind) for p in result.problems] == [("u1", "cropped")]
    assert "0.125 s" in result.problems[0].message
    strict = run(corpus, alignment=Alignment(fail_seconds=0.1))
    assert [p.utt_id for p in strict.failures] == ["u1"]


def test_another_rate_is_resampled_on_request(corpus):
    for index in range(3):
        time = np.arange(4000) / 8000
        write(corpus / "ref" / f"u{index}.wav", 0.1 * np.sin(2 * np.pi * 440 * np.arange(8000) / RATE))
        write(corpus / "half" / f"u{index}.wav", 0.1 * np.sin(2 * np.pi * 440 * time), rate=8000)
    result = run(corpus, metrics=["level_difference"], alignment=Alignment(resample=True))
    assert result.failures == ()
    assert abs(result.summary("half", "level_difference").mean) < 0.05


def test_channels_are_measured_one_by_one_and_averaged(tmp_path):
    noise = 0.1 * torch.from_numpy(np.random.default_rng(0).standard_normal((2, 4000))).float()
    values, errors = measure(noise, noise * torch.tensor([[0.5], [0.25]]), RATE, create_metrics(["level_difference"]))
    assert values["level_difference"] == pytest.approx(-30 * math.log10(2), abs=1e-4)
    assert not errors
    with pytest.raises(DataError, match="expected the same"):
        measure(noise, noise[:1], RATE, [])


def test_a_segment_of_a_longer_recording_is_the_reference(corpus):
    samples = 0.1 * np.random.default_rng(5).standard_normal(3 * RATE)
    write(corpus / "long.wav", samples)
    write(corpus / "cut.wav", samples[RATE : 2 * RATE])
    pair = Pair("x", "u", Clip(corpus / "long.wav", 1.0, 1.0), Clip(corpus / "cut.wav"))
    assert evaluate_pairs([pair], ["mstft"]).scores[0].values["mstft"] == 0


def test_nothing_to_compare_is_an_error():
    with pytest.raises(DataError, match="no pair"):
        evaluate_pairs([])


def test_json_holds_everything_and_no_nan(corpus):
    (corpus / "half" / "u0.wav").write_text("broken")
    (corpus / "half" / "u1.wav").write_text("broken")
    document = json.loads(results_json(run(corpus)), parse_constant=pytest.fail)
    assert document["systems"]["half"]["mstft"]["n"] == 1
    assert document["systems"]["half"]["mstft"]["low"] is None
    assert document["metrics"]["mstft"]["direction"] == "lower"
    assert document["metrics"]["mstft"]["definition"]
    assert [file["utt_id"] for file in document["files"]] == ["u2"]
    assert [problem["utt_id"] for problem in document["problems"]] == ["u0", "u1"]
    assert "torch" in document["versions"]


def test_csv_has_a_line_per_pair_and_an_empty_cell_per_missing_value(corpus):
    write(corpus / "half" / "u0.wav", np.zeros(8000))
    rows = list(csv.reader(io.StringIO(results_csv(run(corpus)))))
    assert rows[0] == ["system", "utt_id", "duration", "level_difference", "mstft"]
    assert rows[1][:4] == ["half", "u0", "0.500", ""]
    assert float(rows[2][3]) == pytest.approx(-6.0206, abs=1e-3)
    (corpus / "results.csv").write_text(results_csv(run(corpus)))
    table = read_table(corpus / "results.csv", "table", "results")
    assert [list(table.columns), *(list(row.cells.values()) for row in table.rows)] == rows


def test_markdown_has_a_row_per_system_the_directions_and_the_problems(corpus):
    (corpus / "half" / "u0.wav").write_text("broken")
    page = results_markdown(run(corpus, natural=True), "Results of a test", ["a note"])
    lines = page.splitlines()
    assert lines[0] == "# Results of a test"
    assert "- a note" in lines
    assert "| system | n | level (dB) →0 | M-STFT ↓ |" in lines
    assert any(line.startswith("| natural | 3 | 0.00 [0.00, 0.00] |") for line in lines)
    assert any(line.startswith("| half | 2 | -6.02 [-6.02, -6.02] |") for line in lines)
    assert "## Problems (1)" in lines
    assert any(line.startswith("- failed: half (u0): ") for line in lines)


def test_the_input_of_an_effect_enters_by_name(corpus):
    rng = np.random.default_rng(9)
    for index in range(2):
        dry = 0.2 * rng.standard_normal(8000)
        write(corpus / "dry" / f"u{index}.wav", dry)
        write(corpus / "ref" / f"u{index}.wav", 0.5 * dry)
        write(corpus / "half" / f"u{index}.wav", 0.4 * dry)
    result = run(corpus, metrics=["gain_trace"], dry=corpus / "dry", natural=True)
    assert result.summary("half", "gain_trace").mean == pytest.approx(20 * math.log10(0.5 / 0.4), abs=1e-3)
    assert result.summary("natural", "gain_trace").mean == 0
    assert {(p.system, p.utt_id, p.kind) for p in result.problems} == {
        ("natural", "u2", "failed"),
        ("half", "u2", "failed"),
    }
    write(corpus / "dry" / "u1.wav", np.zeros(100))
    messages = [problem.message for problem in run(corpus, metrics=["gain_trace"], dry=corpus / "dry").failures]
    assert messages[0].startswith("dry input: 16000 Hz, 1 channels, 100 samples, but its reference has")
    write(corpus / "other" / "x.wav", np.zeros(100))
    with pytest.raises(DataError, match="--dry"):
        run(corpus, dry=corpus / "other")


def test_time_is_counted_for_each_metric(corpus):
    result = run(corpus, metrics=["level_difference", "mstft"])
    costs = result.seconds_per_minute()
    assert costs.keys() == {"level_difference", "mstft"}
    assert costs["mstft"] > costs["level_difference"] > 0
    assert result.audio_minutes == pytest.approx(3 * 0.5 / 60)
    assert sum(costs.values()) * result.audio_minutes < result.wall_seconds
    document = json.loads(results_json(result))
    assert document["seconds_per_minute"].keys() == costs.keys()
    assert timing_line(result).startswith("0.03 minutes of audio in ")


def test_what_could_not_run_is_on_the_page_and_in_the_file(corpus):
    result = replace(run(corpus, metrics=["mstft"]), not_run={"utmos": "UTMOS: no weights"})
    assert json.loads(results_json(result))["not_run"] == {"utmos": "UTMOS: no weights"}
    assert "UTMOS: no weights" in results_markdown(result)


@pytest.mark.parametrize("name", sorted({*METRICS} - {"utmos"}))  # whose weights are fetched
def test_metrics_can_be_sent_to_other_processes(name):
    """A metric that cannot be pickled made ``--nj 2`` wait for ever."""
    try:
        (metric,) = create_metrics([name])
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert pickle.loads(pickle.dumps(metric)).name == metric.name


def test_work_that_cannot_be_sent_is_refused():
    with pytest.raises(ConfigError, match="--nj 1"):
        list(map_parallel(lambda item: item, [1, 2, 3], 2, "work"))
