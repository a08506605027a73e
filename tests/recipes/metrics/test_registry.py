"""What every metric promises: its declaration, the perfect score of identity, clear refusals."""

import numpy as np
import pytest

from recipes.metrics.metric import Direction, Metric, UndefinedMetricError
from recipes.metrics.registry import DEFAULT_METRICS, METRICS, create_metrics
from vocoders.core.errors import ConfigError, MissingExtraError

WITH_REFERENCE = [metric.name for metric in create_metrics(["all"]) if metric.needs_reference]


def test_every_metric_declares_itself_under_its_own_name():
    for name, metric in zip(METRICS, create_metrics(["all"]), strict=True):
        assert metric.name == name
        assert isinstance(metric.direction, Direction)
        assert metric.title and metric.definition and "\n" not in metric.definition
        assert (metric.identity is None) == (not metric.needs_reference)
    assert set(DEFAULT_METRICS) <= METRICS.keys()
    assert len({metric.title for metric in create_metrics(["all"])}) == len(METRICS)


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_identity_is_perfect_and_nothing_is_better(name, speech, noise, make_pair):
    metric = create_metrics([name])[0]
    same = metric(make_pair(speech, speech.copy()))
    assert same == pytest.approx(metric.identity, abs=2e-5)
    changed = metric(make_pair(speech, np.roll(0.8 * speech + 0.01 * noise + 0.003, 700)))
    assert metric.direction.better(same, changed)


@pytest.mark.parametrize(
    "name",
    ["pesq", "mstft", "mel_l1", "log_spectral_distance", "mcd", "mcd_c0", "mcd_dtw", "mcd_c0_dtw", "vuv_error", "stoi"]
    + ["estoi", "level_difference", "high_frequency_difference"],
)
def test_more_noise_is_never_better(name, speech, noise, make_pair):
    metric = create_metrics([name])[0]
    values = [metric(make_pair(speech, speech + level * noise)) for level in (0.0005, 0.008, 0.1)]
    assert metric.direction.better(values[0], values[1]) and metric.direction.better(values[1], values[2])


@pytest.mark.parametrize("name", METRICS)
def test_three_samples_are_undefined_or_measured_but_never_a_crash(name, make_pair):
    metric = create_metrics([name])[0]
    pair = make_pair(np.array([0.1, -0.2, 0.1]), np.array([0.1, -0.1, 0.1]))
    try:
        assert np.isfinite(metric(pair))
    except UndefinedMetricError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["pesq", "level_difference", "log_f0_rmse", "high_frequency_difference"])
def test_a_silent_reference_leaves_the_value_undefined(name, speech, make_pair):
    with pytest.raises(UndefinedMetricError):
        create_metrics([name])[0](make_pair(np.zeros_like(speech), speech))


def test_a_metric_that_comes_out_as_nan_is_undefined(make_pair):
    class Broken(Metric):
        title, direction = "broken", Direction.LOWER

        def measure(self, pair):
            return float("nan")

    with pytest.raises(UndefinedMetricError, match="broken came out as nan"):
        Broken()(make_pair(np.ones(4), np.ones(4)))


def test_directions_say_what_is_better():
    assert Direction.HIGHER.better(2, 1) and not Direction.HIGHER.better(1, 1)
    assert Direction.LOWER.better(-2, -1)
    assert Direction.ZERO.better(-0.1, 0.2) and not Direction.ZERO.better(-3, 0.2)


def test_a_misspelt_metric_names_the_nearest_one():
    with pytest.raises(ConfigError, match="unknown metric 'psq'; did you mean 'pesq'"):
        create_metrics(["psq"])
    with pytest.raises(ConfigError, match="no metric"):
        create_metrics([])


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pesq", None)
    with pytest.raises(MissingExtraError, match=r"metric 'pesq' needs pesq.*pip install 'ondes\[metrics\]'"):
        create_metrics(["pesq"])


def test_analyses_are_computed_once_per_signal(make_pair, speech):
    signal = make_pair(speech, speech).reference
    calls = []
    for _ in range(3):
        signal.remember("key", lambda: calls.append(1))
    assert len(calls) == 1
    assert signal.resampled(16000) is signal.resampled(16000)
    assert signal.resampled(24000) is signal.samples
