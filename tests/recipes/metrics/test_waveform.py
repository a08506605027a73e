"""Waveform distances and loudness against closed forms and the standard."""

import numpy as np
import pytest
from scipy.signal import lfilter

from recipes.metrics.metric import UndefinedMetricError
from recipes.metrics.registry import create_metrics
from vocoders.core.errors import DataError


def value(name, pair):
    return create_metrics([name])[0](pair)


@pytest.mark.parametrize("decibel", [-20, 0, 35])
def test_si_sdr_is_the_ratio_to_an_orthogonal_error_at_any_gain(make_pair, decibel):
    # Whole periods: a sine and its cosine are orthogonal and have no mean.
    time = 2 * np.pi * 100 * np.arange(24000) / 24000
    generated = 0.4 * (np.sin(time) + 10 ** (-decibel / 20) * np.cos(time))
    assert value("si_sdr", make_pair(np.sin(time), generated / 10)) == pytest.approx(decibel, abs=1e-4)
    assert value("si_sdr", make_pair(np.sin(time), 0.2 - generated / 10)) == pytest.approx(decibel, abs=1e-4)


def test_si_sdr_is_limited_where_nothing_or_all_is_error(make_pair):
    impulses = np.eye(4800)[:2] - 1 / 4800
    assert value("si_sdr", make_pair(impulses[0], impulses[0] / 2)) == 100
    time = 2 * np.pi * 100 * np.arange(2400) / 24000
    odd, even = np.sign(np.sin(time + 0.01)), np.sign(np.cos(time + 0.01))
    assert value("si_sdr", make_pair(odd, even)) == -100


def test_esr_and_mae_of_a_known_error(speech, make_pair):
    assert value("esr", make_pair(speech, 0.9 * speech)) == pytest.approx(0.01, rel=1e-4)
    assert value("esr", make_pair(speech, 0 * speech)) == pytest.approx(1)
    assert value("mae", make_pair(speech, speech - 0.02)) == pytest.approx(0.02, rel=1e-4)
    signs = np.where(np.arange(len(speech)) % 2, 0.01, -0.03)
    assert value("mae", make_pair(0 * speech, signs)) == pytest.approx(0.02, rel=1e-6)


def test_pre_emphasis_weighs_an_error_by_the_filters_gain(make_pair):
    time = 2 * np.pi * np.arange(24000) / 24000
    low, high = np.sin(100 * time), 0.1 * np.sin(10000 * time)
    gains = [np.abs(1 - 0.85 * np.exp(-2j * np.pi * frequency / 24000)) ** 2 for frequency in (100, 10000)]
    found = value("esr_emphasis", make_pair(low, low + high))
    assert found == pytest.approx(0.01 * gains[1] / gains[0], rel=1e-3)
    assert value("esr", make_pair(low, low + high)) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("peak", [0.05, 0.6])
def test_a_gain_moves_loudness_by_its_decibels_up_to_full_scale(speech, make_pair, peak):
    speech = speech * peak / np.abs(speech).max()
    assert value("dlufs", make_pair(speech, 10 ** (-3 / 20) * speech)) == pytest.approx(3, abs=0.02)
    assert value("dlufs", make_pair(speech, 10 ** (4 / 20) * speech)) == pytest.approx(4, abs=0.02)


def test_dlufs_by_the_filters_and_gates_of_the_standard(make_pair):
    rng = np.random.default_rng(2)
    loud = rng.standard_normal(3 * 48000) * np.repeat([0.2, 0.001, 0.05], 48000)
    # Dull and with a pause in another place: the shelf and the relative gate both matter.
    dull = lfilter([0.1], [1, -0.9], rng.standard_normal(3 * 48000) * np.repeat([0.3, 0.2, 0.0005], 48000))
    assert value("dlufs", make_pair(loud, dull, 48000)) == pytest.approx(abs(_lufs(loud) - _lufs(dull)), abs=0.1)


def _lufs(samples):
    """ITU-R BS.1770-4, annex 1: its coefficients for 48 kHz, blocks of 400 ms every 100 ms, both gates."""
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285], [1, -1.69065929318241, 0.73248077421585]
    high_pass = [1.0, -2.0, 1.0], [1, -1.99004745483398, 0.99007225036621]
    weighted = lfilter(*high_pass, lfilter(*shelf, samples))
    blocks = np.lib.stride_tricks.sliding_window_view(weighted**2, 19200)[::4800].mean(1)
    level = -0.691 + 10 * np.log10(blocks)
    threshold = -0.691 + 10 * np.log10(blocks[level > -70].mean()) - 10
    return -0.691 + 10 * np.log10(blocks[(level > -70) & (level > threshold)].mean())


def test_the_reference_of_the_standard_has_a_known_loudness():
    # BS.1770: a sine of 997 Hz at full scale in one channel reads -3.01 LKFS; here the check of the check.
    assert _lufs(np.sin(2 * np.pi * 997 * np.arange(96000) / 48000)) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("name", ["si_sdr", "dlufs"])
def test_silence_that_was_generated_is_a_fault_and_not_an_undefined_value(name, speech, make_pair):
    with pytest.raises(DataError, match="the generated audio") as caught:
        value(name, make_pair(speech, 0 * speech))
    assert not isinstance(caught.value, UndefinedMetricError)
