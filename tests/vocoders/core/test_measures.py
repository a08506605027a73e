"""Measures give the numbers that their definitions say."""

import math

import numpy as np
import pytest
from signals import sine

from vocoders.core.measures import (
    error_to_signal_ratio,
    level_db,
    log_f0_rmse,
    loudness_lufs,
    mean_power,
    voicing_error,
)

RATE = 24000


@pytest.mark.parametrize("rate", [16000, 24000, 44100, 48000])
def test_loudness_of_the_reference_tone(rate: int) -> None:
    # BS.1770-4: a sine of 997 Hz at 0 dBFS in one channel has -3.01 LKFS.
    assert loudness_lufs(sine(997, 3, 1.0, rate), rate) == pytest.approx(-3.01, abs=0.05)


def test_loudness_ignores_silence_by_its_gates() -> None:
    tone = sine(997, 3, 0.1)
    assert loudness_lufs(np.concatenate([tone, np.zeros(5 * RATE)]), RATE) == pytest.approx(
        loudness_lufs(tone, RATE), abs=0.5
    )
    assert loudness_lufs(np.zeros(RATE), RATE) == -math.inf


def test_level_of_a_sine_is_that_of_its_power() -> None:
    assert mean_power(sine(440, amplitude=0.5)) == pytest.approx(0.125, rel=1e-6)
    assert level_db(sine(440)) == pytest.approx(10 * math.log10(0.5), abs=1e-6)
    assert level_db(np.zeros(9)) == level_db(np.zeros(0)) == -math.inf
    # Squares of float32 would lose what is quiet beside what is loud.
    assert mean_power(np.full(1000, 1e-25, np.float32)) == pytest.approx(1e-50, rel=1e-6)


def test_error_to_signal_ratio_is_the_square_of_a_relative_error() -> None:
    tone = sine(440)
    assert error_to_signal_ratio(tone, tone) == 0
    assert error_to_signal_ratio(0.9 * tone, tone) == pytest.approx(0.01, rel=1e-9)
    assert error_to_signal_ratio(0 * tone, tone) == 1
    assert error_to_signal_ratio(tone, 0 * tone) == math.inf
    assert error_to_signal_ratio(0 * tone, 0 * tone) == 0


def test_pitch_errors_count_frames_that_are_voiced_in_both() -> None:
    reference = np.array([0.0, 100, 200, 0])
    f0 = np.array([0.0, 200, 400, 100])
    assert log_f0_rmse(f0, reference) == pytest.approx(math.log(2))
    assert voicing_error(f0, reference) == 0.25
    assert math.isnan(log_f0_rmse(np.zeros(4), reference))
    assert math.isnan(voicing_error(np.zeros(0), np.zeros(0)))
