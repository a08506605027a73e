"""Long-term spectra against closed forms and scipy."""

import numpy as np
import pytest
from scipy.signal import firwin2, lfilter, welch

from recipes.metrics.metric import UndefinedMetricError
from recipes.metrics.registry import create_metrics
from recipes.metrics.spectrum import NarrowLine, band_differences, long_term_power, narrow_line_db


def value(name, pair):
    return create_metrics([name])[0](pair)


def test_long_term_power_is_that_of_welch(speech):
    _, density = welch(speech.astype(np.float64), 24000, "hann", 4096, 3072, detrend=False, return_onesided=False)
    expected = density[:2049] * 24000
    np.testing.assert_allclose(long_term_power(speech, 24000), expected + 2.0**-30 / 12, rtol=1e-6)


@pytest.mark.parametrize("sample_rate", [16000, 22050, 24000, 48000])
def test_white_noise_has_its_variance_in_every_bin_at_every_rate(sample_rate):
    noise = 0.1 * np.random.default_rng(4).standard_normal(8 * sample_rate)
    power = long_term_power(noise, sample_rate)
    assert power[2:-2].mean() == pytest.approx(0.01, rel=0.02)
    # The frame lasts about as long at each rate, as near as a power of two can be.
    assert 0.171 / 2**0.5 < 2 * (len(power) - 1) / sample_rate < 0.171 * 2**0.5


def test_a_filter_shows_its_response_in_every_band(make_pair):
    noise = 0.1 * np.random.default_rng(5).standard_normal(6 * 24000)
    response = 10 ** (np.array([0.0, 0.0, -12.0, 6.0, 6.0]) / 20)
    filtered = lfilter(firwin2(1023, [0, 3000, 3500, 6000, 12000], response, fs=24000), 1, noise)
    pair = make_pair(noise, filtered)
    bands = band_differences(pair.reference, pair.generated)
    assert bands.shape == (24,)
    np.testing.assert_allclose(bands[:5], 0, atol=0.15)
    np.testing.assert_allclose(bands[12:23], 6, atol=0.15)
    assert bands[7] < -6
    assert value("ltas", pair) == pytest.approx(np.abs(bands).mean())
    assert value("ltas_high", pair) == pytest.approx(bands[10:].mean())
    assert value("ltas_high", pair) > 0 > value("ltas_high", make_pair(filtered, noise))


@pytest.mark.parametrize(("sample_rate", "bands"), [(16000, 16), (22050, 22), (48000, 48)])
def test_a_gain_moves_every_band_by_its_decibels(sample_rate, bands, make_pair):
    noise = 0.1 * np.random.default_rng(6).standard_normal(sample_rate)
    pair = make_pair(noise, noise / 2, sample_rate)
    found = band_differences(pair.reference, pair.generated)
    np.testing.assert_allclose(found, np.full(bands, -20 * np.log10(2)), atol=1e-3)
    assert value("ltas", pair) == pytest.approx(20 * np.log10(2), abs=1e-3)
    assert value("ltas_high", pair) == pytest.approx(-20 * np.log10(2), abs=1e-3)


def test_what_is_inaudible_does_not_count(make_pair):
    noise = np.random.default_rng(7).standard_normal(24000)
    low = lfilter(firwin2(255, [0, 4000, 5000, 12000], [1, 1, 0, 0], fs=24000), 1, 0.05 * noise)
    assert value("ltas", make_pair(low, low + 1e-7 * noise)) < 0.01


@pytest.mark.parametrize("sample_rate", [16000, 22050, 24000, 44100])
@pytest.mark.parametrize("frequency", [6000.0, 4321.5])
def test_a_line_has_the_height_that_its_power_gives(sample_rate, frequency):
    noise = 0.01 * np.random.default_rng(8).standard_normal(10 * sample_rate)
    assert abs(narrow_line_db(noise, sample_rate, frequency)) < 1.5
    time = np.arange(len(noise)) / sample_rate
    amplitude = 0.005
    line = narrow_line_db(noise + amplitude * np.sin(2 * np.pi * frequency * time), sample_rate, frequency)
    # A Hann window of N samples and energy 1 sums to sqrt(N / 1.5).
    n_fft = 2 * (len(long_term_power(noise, sample_rate)) - 1)
    expected = 10 * np.log10(1 + amplitude**2 / 4 * n_fft / 1.5 / 1e-4)
    assert line == pytest.approx(expected, abs=0.7)


def test_the_line_metric_is_a_difference_and_ignores_level_and_neighbours(noise, make_pair):
    time = np.arange(len(noise)) / 24000
    floor = 0.01 * noise
    with_line = floor + 0.003 * np.sin(2 * np.pi * 6000 * time)
    difference = value("line_6k", make_pair(floor, with_line))
    assert difference > 10
    assert value("line_6k", make_pair(with_line, floor)) == pytest.approx(-difference)
    assert value("line_6k", make_pair(floor, with_line / 4)) == pytest.approx(difference, abs=0.05)
    neighbour = floor + 0.003 * np.sin(2 * np.pi * 6100 * time)
    assert abs(value("line_6k", make_pair(floor, neighbour))) < 1
    assert NarrowLine(7500).name == "line_7.5k"


def test_rates_and_lengths_without_a_value_are_undefined(make_pair):
    noise = np.random.default_rng(9).standard_normal(8000)
    with pytest.raises(UndefinedMetricError, match="11000 Hz"):
        value("ltas_high", make_pair(noise, noise, 8000))
    with pytest.raises(UndefinedMetricError, match=" 0 Hz"):
        value("line_6k", make_pair(noise, noise, 12000))
    with pytest.raises(UndefinedMetricError, match="needs 4096 or more"):
        narrow_line_db(noise[:4095], 24000, 6000)
