"""Delays: exact and signed for a wire, never early for a filter, taken from blips where there are any."""

import numpy as np
import pytest
import torch

from effects.processors import find_processor
from recipes.data.effects.alignment import find_delay
from recipes.data.effects.plucked_strings import play_music
from recipes.data.effects.reamping import ReampingLayout, find_blips, reamping_signal
from vocoders.core.errors import ConfigError

RATE = 16000


@pytest.fixture(scope="module")
def music():
    return play_music(np.random.default_rng(0), 5 * RATE, RATE)


@pytest.fixture(scope="module")
def reamping():
    return reamping_signal(29.0, RATE)


def _delayed(audio, samples):
    padded = np.pad(audio, (max(samples, 0), max(-samples, 0)))
    return padded[max(-samples, 0) :][: len(audio)]


@pytest.mark.parametrize("delay", [-15739, -20, -1, 0, 1, 2000])
@pytest.mark.parametrize("gain", [0.3, -0.3])
def test_the_delay_of_a_wire_is_exact(music, delay, gain):
    found = find_delay(music, gain * _delayed(music, delay), RATE)
    assert (found.samples, found.sign, found.by_blips) == (delay, np.sign(gain), False)
    assert found.shift == delay


@pytest.mark.parametrize("name", ["overdrive", "lowpass", "comp_4c", "echo", "distortion", "biquad_highpass"])
def test_no_effect_is_early_and_no_shift_cuts_its_response(music, name):
    effect = find_processor(name)
    settings = effect.knobs.settings(effect.knobs.values())
    wet = effect.process(torch.from_numpy(music)[None, None], settings, RATE)[0][0, 0].numpy()
    found = find_delay(music, wet, RATE)
    assert -1 <= found.samples <= 12
    assert found.clarity > 12
    assert find_delay(music, _delayed(wet, 100), RATE).shift <= 100


def test_unrelated_music_has_no_clear_response(music):
    other = play_music(np.random.default_rng(1), 5 * RATE, RATE)
    assert find_delay(music, other, RATE).clarity < 12


@pytest.mark.parametrize("delay", [-300, 0, 64, 5000])
def test_blips_decide_where_there_are_any(reamping, delay):
    noise = 1e-5 * np.random.default_rng(2).standard_normal(len(reamping))
    found = find_delay(reamping, -0.5 * _delayed(reamping, delay) + noise, RATE)
    assert (found.samples, found.sign, found.by_blips) == (delay, -1, True)
    # A sample of safety.
    assert found.shift == delay - 1


def test_the_signal_has_its_structure(reamping):
    layout = ReampingLayout.of(reamping, RATE)
    assert layout is not None
    assert tuple(find_blips(reamping, RATE)) == layout.blips
    first, last = (reamping[passage] for passage in layout.passages)
    assert np.array_equal(first, last)
    assert np.abs(reamping).max() <= 0.95
    # No response leaks into the last passage, nor into the blips.
    assert not reamping[layout.passages[1].start - round(0.4 * RATE) : layout.passages[1].start].any()
    assert not reamping[layout.passages[0].stop : layout.blips[0]].any()
    assert np.array_equal(reamping, reamping_signal(29.0, RATE))
    assert not np.array_equal(reamping, reamping_signal(29.0, RATE, seed=1))


def test_other_audio_has_no_layout(music):
    assert ReampingLayout.of(music, RATE) is None
    assert ReampingLayout.of(np.tile(music, 4)[: 19 * RATE], RATE) is None
    assert find_blips(music, RATE) == []


@pytest.mark.parametrize(("seconds", "rate"), [(10, 48000), (4000, 48000), (60, 100)])
def test_signals_that_cannot_be_are_refused(seconds, rate):
    with pytest.raises(ConfigError):
        reamping_signal(seconds, rate)
