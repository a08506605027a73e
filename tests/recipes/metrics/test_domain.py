"""Every metric over every kind of signal that may leave it without a value: a sensible number, or a reason."""

import csv
import io
import json
import math
import re

import numpy as np
import pytest
import soundfile

from recipes.cli.main import main
from recipes.metrics.domain import is_heard
from recipes.metrics.evaluation import evaluate_systems
from recipes.metrics.metric import Signal, SignalPair, UndefinedMetricError
from recipes.metrics.registry import METRICS, create_metrics
from recipes.metrics.report import results_html
from recipes.metrics.results import (
    format_summary,
    results_csv,
    results_json,
    results_markdown,
    stored_table_markdown,
    table_markdown,
)
from vocoders.core.errors import DataError

RATE = 24000
# UTMOS fetches its weights; it declares what DNSMOS does.
OFFLINE = [name for name in METRICS if name != "utmos"]
KINDS = ("speech", "silent", "dither", "constant", "unvoiced", "nan")
# What a metric of one signal against an unrelated one may be: decibels, percent, cents and samples stay below.
LARGEST = 500.0


@pytest.fixture(scope="module")
def signals(speech) -> dict[str, Signal]:
    rng = np.random.default_rng(0)
    voice = speech[: round(0.8 * RATE)]
    kinds = {
        "speech": voice,
        "silent": 0 * voice,
        "dither": rng.integers(-1, 2, len(voice)) / 32768,
        "constant": 0 * voice + 0.25,
        "unvoiced": 0.05 * rng.standard_normal(len(voice)),
        "nan": np.where(np.arange(len(voice)) == 99, np.nan, voice),
    }
    return {name: Signal(samples.astype(np.float32), RATE) for name, samples in kinds.items()}


@pytest.fixture(autouse=True)
def quick_tracker(monkeypatch):
    monkeypatch.setattr("recipes.metrics.periodicity.preferred_tracker", lambda: "swift")


def outcome(metric, pair) -> float | None:
    """Return the value; ``None`` where a reason is given in its place."""
    value, reason = None, ""
    try:
        value = metric(pair)
    except DataError as error:
        reason = str(error)
    assert "\n" not in reason
    assert metric.title in reason if value is None else abs(value) < LARGEST
    return value


@pytest.mark.parametrize("name", OFFLINE)
def test_each_metric_is_sensible_or_says_why_it_has_no_value(name, signals):
    metric = create_metrics([name])[0]
    dry = signals["speech"]
    for reference in KINDS:
        for generated in KINDS:
            value = outcome(metric, SignalPair(signals[reference], signals[generated], dry))
            if generated == "nan" or (reference == "nan" and metric.needs_reference):
                assert value is None
    for length in (0, 1, 5, 700):
        short = Signal(dry.samples[5000 : 5000 + length], RATE)
        outcome(metric, SignalPair(short, Signal(short.samples.copy(), RATE), short))


@pytest.mark.parametrize("reference", ["silent", "dither"])
@pytest.mark.parametrize(
    "name",
    ["mstft", "stft", "esr", "esr_emphasis", "si_sdr", "pesq", "mcd", "mcd_c0", "mcd_dtw", "stoi", "estoi", "lag"]
    + ["polarity", "ltas", "ltas_high", "dlufs", "log_f0_rmse", "pitch_cents"],
)
def test_a_silent_reference_is_no_measure_for_anything(name, reference, signals):
    for generated in ("speech", "silent", "unvoiced"):
        with pytest.raises(UndefinedMetricError, match="has no value: "):
            create_metrics([name])[0](SignalPair(signals[reference], signals[generated]))


@pytest.mark.parametrize("name", ["si_sdr", "stoi", "pesq", "dlufs", "lag", "dnsmos_p808", "level_difference"])
def test_a_silent_output_is_a_fault_unless_its_reference_is_silent(name, signals):
    metric = create_metrics([name])[0]
    with pytest.raises(DataError, match="the generated audio (is|has) ") as caught:
        metric(SignalPair(signals["speech"], signals["silent"]))
    assert not isinstance(caught.value, UndefinedMetricError)
    with pytest.raises(UndefinedMetricError):
        metric(SignalPair(signals["silent"], signals["silent"]))


@pytest.mark.parametrize("name", ["log_f0_rmse", "pitch_cents", "vuv_f1"])
def test_pitch_of_unvoiced_sound_is_undefined(name, signals):
    metric = create_metrics([name])[0]
    with pytest.raises(UndefinedMetricError, match="voiced"):
        metric(SignalPair(signals["unvoiced"], signals["silent"]))


def test_silence_ends_at_80_decibels_below_full_scale():
    sine = np.sin(np.arange(RATE)) * math.sqrt(2)
    assert is_heard(Signal((1.1e-4 * sine).astype(np.float32), RATE))
    assert not is_heard(Signal((0.9e-4 * sine).astype(np.float32), RATE))


@pytest.fixture
def corpus(tmp_path, speech):
    """Three references, one of them silent, and a system that speaks for each."""
    references = {"a": speech, "b": 0 * speech, "c": 0.5 * speech}
    for name, samples in references.items():
        for folder, audio in (("ref", samples), ("gen", 0.9 * speech)):
            (tmp_path / folder).mkdir(exist_ok=True)
            soundfile.write(tmp_path / folder / f"{name}.wav", audio, RATE, subtype="FLOAT")
    return tmp_path


def test_a_mean_leaves_out_what_is_undefined_and_says_how_much(corpus):
    result = evaluate_systems(corpus / "ref", {"gen": corpus / "gen"}, ["mstft", "esr", "mae"])
    metrics = {metric.name: metric for metric in result.metrics}
    for name in ("mstft", "esr"):
        summary = result.summary("gen", name)
        assert (summary.n, summary.left_out) == (2, 1)
        assert 0 < summary.low <= summary.mean <= summary.high < 5
        assert format_summary(result, "gen", metrics[name]).endswith(" 1 left out (n=2)")
    assert result.summary("gen", "mae").left_out == 0
    assert {(p.utt_id, p.metric, p.kind) for p in result.problems} == {
        ("b", "mstft", "undefined"),
        ("b", "esr", "undefined"),
    }
    document = json.loads(results_json(result), parse_constant=pytest.fail)
    assert document["systems"]["gen"]["mstft"]["left_out"] == 1
    assert stored_table_markdown(document) == table_markdown(result)
    for page in (table_markdown(result), results_markdown(result), results_html(result)):
        assert page.count("1 left out") >= 2
    assert next(csv.DictReader(io.StringIO(results_csv(result))))["mstft"]


def test_a_mean_over_nothing_is_undefined_and_neither_nan_nor_zero(corpus):
    for name in ("a", "c"):
        (corpus / "ref" / f"{name}.wav").unlink()
        (corpus / "gen" / f"{name}.wav").unlink()
    result = evaluate_systems(corpus / "ref", {"gen": corpus / "gen"}, ["mstft", "mae"])
    summary = result.summary("gen", "mstft")
    assert (summary.mean, summary.interval, summary.n, summary.left_out) == (None, None, 0, 1)
    assert format_summary(result, "gen", result.metrics[0]) == "undefined 1 left out (n=0)"
    # One value has a mean, and no interval.
    assert result.summary("gen", "mae").mean > 0
    assert result.summary("gen", "mae").interval is None
    document = json.loads(results_json(result), parse_constant=pytest.fail)
    assert document["systems"]["gen"]["mstft"] == {"mean": None, "low": None, "high": None, "n": 0, "left_out": 1}
    for page in (table_markdown(result), stored_table_markdown(document), results_markdown(result)):
        assert "| undefined 1 left out (n=0) |" in page
    assert "undefined 1 left out" in results_html(result)
    assert "nan" not in results_html(result).lower().split("<h2>listen")[0].replace("nan or", "")


def test_the_command_says_what_its_means_leave_out(corpus, capsys):
    names = ["--ref", str(corpus / "ref"), "--gen", str(corpus / "gen"), "--metrics", "mstft,esr"]
    assert main(["evaluate", "audio", *names]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("1 left out (n=2)") == 2
    assert re.search("undefined: gen b mstft: .*silent", printed.err)
