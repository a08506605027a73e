"""What every metric promises: its declaration, the perfect score of identity, clear refusals."""

import numpy as np
import pytest

from recipes.metrics.metric import Direction, Metric, SignalPair, UndefinedMetricError
from recipes.metrics.registry import DEFAULT_METRICS, METRICS, create_metrics
from vocoders.core.errors import ConfigError, MissingExtraError

WITH_REFERENCE = [metric.name for metric in create_metrics(["all"]) if metric.needs_reference]


@pytest.fixture(autouse=True)
def quick_tracker(monkeypatch):
    """CREPE takes four times as long as the sound lasts; what is promised here holds with any tracker."""
    monkeypatch.setattr("recipes.metrics.periodicity.preferred_tracker", lambda: "swift")


def test_every_metric_declares_itself_under_its_own_name():
    for name, metric in zip(METRICS, create_metrics(["all"]), strict=True):
        assert metric.name == name
        assert isinstance(metric.direction, Direction)
        assert metric.title
        assert metric.definition
        assert "\n" not in metric.definition
        # Headings stand in Markdown tables.
        assert "|" not in metric.heading
        assert (metric.identity is None) == (not metric.needs_reference)
    assert set(DEFAULT_METRICS) <= METRICS.keys()
    assert len({metric.title for metric in create_metrics(["all"])}) == len(METRICS)


@pytest.fixture(scope="module")
def pairs(speech, noise, make_pair):
    """Pairs of one reference with itself, with three levels of noise, and with a copy that differs in every way.

    They share their signals, so that pitch is found once for all tests.
    """
    generated = {
        "same": speech.copy(),
        "different": np.roll(0.8 * speech + 0.01 * noise + 0.003, 700),
        **{level: speech + level * noise for level in (0.0005, 0.008, 0.1)},
    }
    reference = make_pair(speech, speech).reference
    return {key: SignalPair(reference, make_pair(signal, signal).generated) for key, signal in generated.items()}


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_identity_is_perfect_and_nothing_is_better(name, pairs):
    metric = create_metrics([name])[0]
    same = metric(pairs["same"])
    assert same == pytest.approx(metric.identity, abs=2e-5)
    assert metric.direction.better(same, metric(pairs["different"]))


@pytest.mark.parametrize(
    "name",
    ["pesq", "mstft", "mel_l1", "log_spectral_distance", "mcd", "mcd_c0", "mcd_dtw", "mcd_c0_dtw", "vuv_error", "stoi"]
    + ["estoi", "level_difference", "high_frequency_difference", "periodicity", "vuv_f1", "ltas", "ltas_high"]
    + ["si_sdr", "esr", "mae", "dlufs"],
)
def test_more_noise_is_never_better(name, pairs):
    metric = create_metrics([name])[0]
    low, middle, high = (metric(pairs[level]) for level in (0.0005, 0.008, 0.1))
    assert metric.direction.better(low, middle)
    assert metric.direction.better(middle, high)


@pytest.mark.parametrize("name", METRICS)
def test_three_samples_are_undefined_or_measured_but_never_a_crash(name, make_pair):
    metric = create_metrics([name])[0]
    pair = make_pair(np.array([0.1, -0.2, 0.1]), np.array([0.1, -0.1, 0.1]))
    message = "finite"
    try:
        value = metric(pair)
    except UndefinedMetricError as error:
        value, message = 0.0, str(error)
    assert np.isfinite(value)
    assert "\n" not in message


@pytest.mark.parametrize(
    "name",
    ["pesq", "level_difference", "log_f0_rmse", "high_frequency_difference", "pitch_cents", "ltas", "ltas_high"]
    + ["si_sdr", "esr", "dlufs"],
)
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
    assert Direction.HIGHER.better(2, 1)
    assert not Direction.HIGHER.better(1, 1)
    assert Direction.LOWER.better(-2, -1)
    assert Direction.ZERO.better(-0.1, 0.2)
    assert not Direction.ZERO.better(-3, 0.2)


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


def test_metrics_of_voicing_take_a_tracker():
    (metric,) = create_metrics(["periodicity:pyin"])
    assert metric.tracker == "pyin"
    with pytest.raises(ConfigError, match="unknown tracker 'ear'"):
        create_metrics(["vuv_f1:ear"])
    with pytest.raises(ConfigError, match="takes no tracker"):
        create_metrics(["pesq:pyin"])
