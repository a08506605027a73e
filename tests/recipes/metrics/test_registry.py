"""What every metric promises: its declaration, the perfect score of identity, clear refusals."""

import numpy as np
import pytest

from recipes.metrics.metric import Direction, Metric, SignalPair, UndefinedMetricError
from recipes.metrics.registry import DEFAULT_METRICS, METRICS, create_metrics, find_metrics
from vocoders.core.errors import ConfigError, MissingExtraError

# UTMOS fetches its weights; it has a test of its own.
OFFLINE = [name for name in METRICS if name != "utmos"]
WITH_REFERENCE = [metric.name for metric in create_metrics(OFFLINE) if metric.needs_reference]


@pytest.fixture(autouse=True)
def quick_tracker(monkeypatch):
    """CREPE takes four times as long as the sound lasts; what is promised here holds with any tracker."""
    monkeypatch.setattr("recipes.metrics.periodicity.preferred_tracker", lambda: "swift")


def test_every_metric_declares_itself_under_its_own_name():
    for name, metric in zip(OFFLINE, create_metrics(OFFLINE), strict=True):
        assert metric.name == name
        assert isinstance(metric.direction, Direction)
        assert metric.title
        assert metric.definition
        assert "\n" not in metric.definition
        # Headings stand in Markdown tables.
        assert "|" not in metric.heading
        # The lattice network of ViSQOL gives other values to other signals.
        assert (metric.identity is None) == (not metric.needs_reference or name == "visqol")
    assert set(DEFAULT_METRICS) <= METRICS.keys()
    assert len({metric.title for metric in create_metrics(OFFLINE)}) == len(OFFLINE)


@pytest.fixture(scope="module")
def pairs(speech, noise, make_pair):
    """Pairs of one reference with itself, with three levels of noise, and with a copy that differs in every way.

    They share their signals, so that pitch is found once for all tests.
    """
    generated = {
        "same": speech.copy(),
        "different": np.roll(0.003 - np.linspace(0.9, 0.6, len(speech)) * speech + 0.01 * noise, 50),
        **{level: speech + level * noise for level in (0.0005, 0.008, 0.1)},
    }
    dry = make_pair(speech, speech * np.linspace(1, 2, len(speech))).generated
    reference = make_pair(speech, speech).reference
    return {key: SignalPair(reference, make_pair(signal, signal).generated, dry) for key, signal in generated.items()}


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_identity_is_perfect_and_nothing_is_better(name, pairs):
    metric = create_metrics([name])[0]
    same = metric(pairs["same"])
    assert metric.identity is None or same == pytest.approx(metric.identity, abs=2e-5)
    assert metric.direction.better(same, metric(pairs["different"]))


@pytest.mark.parametrize(
    "name",
    ["pesq", "mstft", "mel_l1", "log_spectral_distance", "mcd", "mcd_c0", "mcd_dtw", "mcd_c0_dtw", "vuv_error", "stoi"]
    + ["estoi", "level_difference", "high_frequency_difference", "periodicity", "vuv_f1", "ltas", "ltas_high"]
    + ["si_sdr", "esr", "esr_emphasis", "stft", "mae", "dlufs", "gain_trace", "gain_trace_p95", "gain_ccc"]
    + ["visqol", "visqol_audio"],
)
def test_more_noise_is_never_better(name, pairs):
    metric = create_metrics([name])[0]
    low, middle, high = (metric(pairs[level]) for level in (0.0005, 0.008, 0.1))
    assert metric.direction.better(low, middle)
    assert metric.direction.better(middle, high)


@pytest.mark.parametrize("name", OFFLINE)
def test_three_samples_are_undefined_or_measured_but_never_a_crash(name, make_pair):
    metric = create_metrics([name])[0]
    pair = make_pair(np.array([0.1, -0.2, 0.1]), np.array([0.1, -0.1, 0.1]))
    pair = SignalPair(pair.reference, pair.generated, pair.reference)
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
    + ["si_sdr", "esr", "esr_emphasis", "dlufs", "lag", "polarity"],
)
def test_a_silent_reference_leaves_the_value_undefined(name, speech, make_pair):
    with pytest.raises(UndefinedMetricError):
        create_metrics([name])[0](make_pair(np.zeros_like(speech), speech))


def test_a_metric_that_comes_out_as_nan_is_undefined(make_pair):
    class Broken(Metric):
        title, direction = "broken", Direction.LOWER

        def measure(self, pair):
            return float("nan")

    with pytest.raises(UndefinedMetricError, match="broken.* nan"):
        Broken()(make_pair(np.ones(4), np.ones(4)))


def test_directions_say_what_is_better():
    assert Direction.HIGHER.better(2, 1)
    assert not Direction.HIGHER.better(1, 1)
    assert Direction.LOWER.better(-2, -1)
    assert Direction.ZERO.better(-0.1, 0.2)
    assert not Direction.ZERO.better(-3, 0.2)


def test_a_misspelt_metric_names_the_nearest_one():
    with pytest.raises(ConfigError, match="'psq'.* 'pesq'"):
        create_metrics(["psq"])
    with pytest.raises(ConfigError, match="no metric"):
        create_metrics([])


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pesq", None)
    with pytest.raises(MissingExtraError, match=r"'pesq'.* pesq.*ondes\[metrics\]"):
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


def test_all_leaves_out_what_cannot_run_here_and_says_why(monkeypatch):
    monkeypatch.setattr("recipes.metrics.utmos._predictor", lambda: None)
    monkeypatch.setitem(__import__("sys").modules, "pesq", None)
    metrics, left_out = find_metrics(["all"])
    assert {metric.name for metric in metrics} == METRICS.keys() - left_out.keys()
    assert left_out.keys() == {"pesq", "gain_trace", "gain_trace_p95", "gain_ccc"}
    assert "ondes[metrics]" in left_out["pesq"]
    assert "pass --dry" in left_out["gain_trace"]
    assert not {"gain_trace", "gain_ccc"} & find_metrics(["all"], has_dry=True)[1].keys()
    with pytest.raises(MissingExtraError, match="ondes"):
        find_metrics(["pesq"])
    with pytest.raises(ConfigError, match="pass --dry"):
        find_metrics(["gain_trace"])


def test_a_fault_of_our_own_metric_stays_a_fault(monkeypatch):
    def make():
        raise ZeroDivisionError

    monkeypatch.setitem(METRICS, "broken", make)
    with pytest.raises(ZeroDivisionError):
        create_metrics(["broken"])
