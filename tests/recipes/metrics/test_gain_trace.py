"""Gain traces against gains that are known, and against a compressor's own gain."""

import numpy as np
import pytest

from recipes.metrics.gain_trace import frame_levels, gain_traces
from recipes.metrics.metric import SignalPair, UndefinedMetricError
from recipes.metrics.registry import create_metrics
from vocoders.core.errors import DataError

RATE = 24000


def value(name, pair):
    return create_metrics([name])[0](pair)


@pytest.fixture
def make_effect(make_pair):
    """Function (dry, gain in dB of the reference, of the generated) -> SignalPair, gains for every sample."""

    def make(dry, reference, generated):
        wet = [dry * 10 ** (np.broadcast_to(gain, dry.shape) / 20) for gain in (reference, generated)]
        pair = make_pair(*wet)
        return SignalPair(pair.reference, pair.generated, make_pair(dry, dry).reference)

    return make


def test_a_constant_difference_of_gain_is_that_many_decibels(noise, make_effect):
    gain = np.repeat([-3.0, -12.0], len(noise) // 2)
    pair = make_effect(0.1 * noise, gain, gain + 1.5)
    assert value("gain_trace", pair) == pytest.approx(1.5, abs=1e-3)
    assert value("gain_trace_p95", pair) == pytest.approx(1.5, abs=1e-3)


def test_a_difference_in_a_tenth_of_the_time_shows_as_a_tenth_and_in_the_percentile(noise, make_effect):
    late = np.arange(len(noise)) >= 0.9 * len(noise)
    pair = make_effect(0.1 * noise, -6.0, -6.0 - 4.0 * late)
    assert value("gain_trace", pair) == pytest.approx(0.4, abs=0.03)
    assert value("gain_trace_p95", pair) == pytest.approx(4.0, abs=0.01)


def test_the_trace_is_the_gain(noise, make_effect):
    gain = -10 + 5 * np.sin(2 * np.pi * 1.5 * np.arange(len(noise)) / RATE)
    reference, _ = gain_traces(make_effect(0.1 * noise, gain, 0.0))
    centres = np.arange(len(reference)) * 120 + 240
    np.testing.assert_allclose(reference, gain[centres], atol=0.35)


def test_concordance_by_its_closed_form(noise, make_effect):
    """Lin (1989): of x and a + b x, 2 b s / (s + b^2 s + (mean difference)^2)."""
    gain = 6 * np.sin(2 * np.pi * 2.5 * np.arange(len(noise)) / RATE)
    pair = make_effect(0.1 * noise, gain, 0.5 * gain - 2)
    variance = gain_traces(pair)[0].var()
    expected = 2 * 0.5 * variance / (variance + 0.25 * variance + 4)
    assert value("gain_ccc", pair) == pytest.approx(expected, abs=0.02)
    with pytest.raises(UndefinedMetricError, match="gain of the reference"):
        value("gain_ccc", make_effect(0.1 * noise, -3.0, gain))


def test_what_lies_below_60_db_does_not_count(noise, make_effect):
    quiet = np.where(np.arange(len(noise)) < len(noise) // 2, 0.1, 1e-5)
    late = np.arange(len(noise)) > 0.55 * len(noise)
    assert value("gain_trace", make_effect(quiet * noise, 0.0, 20.0 * late)) == pytest.approx(0, abs=1e-6)
    with pytest.raises(UndefinedMetricError, match="-60 dBFS"):
        value("gain_trace", make_effect(1e-5 * noise, 0.0, 0.0))


def test_levels_of_a_sine_and_of_silence(make_pair):
    sine = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    levels = frame_levels(make_pair(sine, 0 * sine).reference)
    np.testing.assert_allclose(levels, 20 * np.log10(np.sqrt(0.5)), atol=0.01)
    assert frame_levels(make_pair(sine, 0 * sine).generated).max() == pytest.approx(-101.1, abs=0.1)


def test_without_an_input_the_value_is_missing_and_said(noise, make_pair):
    with pytest.raises(DataError, match="gain trace.* input"):
        value("gain_trace", make_pair(noise, noise))


def test_gains_need_what_went_into_the_effect(noise, make_pair):
    with pytest.raises(DataError):
        gain_traces(make_pair(noise, noise))
