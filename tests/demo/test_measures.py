"""Measures give the numbers that their definitions say."""

import math
import random
import wave

import numpy as np
import pytest
from signals import sine

from demo.blind import Score, answer, chance, new_trial
from demo.folders import result_file
from demo.measures import (
    log_mel_db,
    mel_distance_db,
    null_depth_db,
    pitch_errors,
)
from demo.sound import equal_gains_db, equal_loudness, to_integers
from vocoders.core.measures import level_db, loudness_lufs

RATE = 24000


def test_equal_loudness_makes_loudness_equal_and_never_clips() -> None:
    clips = [sine(300, 2, 0.02), sine(3000, 2, 0.9), np.random.default_rng(0).standard_normal(RATE)]
    levelled, gains = equal_loudness(clips, RATE)
    loudness = [loudness_lufs(clip, RATE) for clip in levelled]
    assert max(loudness) - min(loudness) < 0.01
    assert all(np.abs(clip).max() <= 1 for clip in levelled)
    assert gains[0] > gains[1]


def test_silence_stays_silence_at_equal_loudness() -> None:
    (silence, tone), gains = equal_loudness([np.zeros(RATE), sine(440, 1, 0.1)], RATE)
    assert not silence.any()
    assert gains[0] == 0
    assert tone.any()


def test_null_depth_follows_the_size_of_the_error() -> None:
    reference = sine(440)
    assert null_depth_db(reference, reference) == -math.inf
    assert null_depth_db(1.01 * reference, reference) == pytest.approx(-40, abs=1e-6)
    assert level_db(reference) == pytest.approx(-3.01, abs=0.01)


def test_mel_distance_of_a_gain_is_the_gain() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    assert mel_distance_db(noise, noise, RATE) == 0
    assert mel_distance_db(noise * 10 ** (-3 / 20), noise, RATE) == pytest.approx(3, abs=1e-3)


def test_mel_spectrogram_shows_a_tone_where_it_is_and_is_never_wider_than_asked() -> None:
    rows = [int(log_mel_db(sine(f), RATE).mean(axis=1).argmax()) for f in (200, 1000, 5000)]
    assert rows == sorted(rows)
    assert rows[0] < 15
    assert rows[2] > 50
    assert log_mel_db(np.zeros(30 * RATE), RATE, columns=600).shape[1] <= 600


def test_pitch_errors_in_cents() -> None:
    f0 = np.array([0.0, 100, 200, 0])
    assert pitch_errors(f0, f0) == (0, 0)
    cents, voicing = pitch_errors(np.array([0.0, 200, 400, 100]), f0)
    assert cents == pytest.approx(1200)
    assert voicing == 0.25
    assert math.isnan(pitch_errors(np.zeros(4), f0)[0])


def test_players_get_integers_that_keep_the_level(tmp_path, monkeypatch) -> None:
    samples = to_integers(np.array([[0.5, -2.0, np.nan], [0.25, 1.0, 0.0]]))
    assert samples.dtype == np.int16
    assert samples.tolist() == [[16384, 8192], [-32768, 32767], [0, 0]]
    assert to_integers(np.zeros((1, 4))).shape == (4,)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    paths = {result_file(samples, 8000, "clip") for _ in range(3)}
    # Equal results are different files: one may be written while another is read.
    assert len(paths) == 3
    for path in paths:
        with wave.open(path, "rb") as file:
            assert (file.getframerate(), file.getnchannels()) == (8000, 2)
            assert np.frombuffer(file.readframes(9), "<i2").reshape(-1, 2).tolist() == samples.tolist()


def test_gains_for_equal_loudness_hold_for_stereo_and_silence() -> None:
    tone = sine(440, 1, 0.1)
    mono, stereo, silent = equal_gains_db([tone, np.stack([tone, tone]), np.zeros(RATE)], RATE)
    assert mono - stereo == pytest.approx(3.01, abs=0.01)
    assert silent == 0


def test_blind_trial_hides_x_in_three_different_files() -> None:
    reference, result = np.arange(1, 1001, dtype=np.int16), np.arange(1001, 2001, dtype=np.int16)
    seen = set()
    for seed in range(60):
        trial, sounds = new_trial(reference, result, random.Random(seed))
        seen.add((trial.a_is_reference, trial.x_is))
        assert len({sound.tobytes() for sound in sounds.values()}) == 3
        assert len({len(sound) for sound in sounds.values()}) == 1
        trimmed = {name: np.trim_zeros(sound) for name, sound in sounds.items()}
        assert np.array_equal(trimmed["X"], trimmed[trial.x_is])
        assert np.array_equal(trimmed["A"], reference if trial.a_is_reference else result)
    assert len(seen) == 4


def test_score_and_chance() -> None:
    trial, _ = new_trial(np.ones(10, np.int16), np.ones(10, np.int16), random.Random(0))
    score = Score()
    for _ in range(5):
        score = answer(score, trial, trial.x_is)
    score = answer(score, trial, "A" if trial.x_is == "B" else "B")
    assert (score.correct, score.total) == (5, 6)
    assert chance(score) == pytest.approx(7 / 64)
    assert chance(Score()) == 1
