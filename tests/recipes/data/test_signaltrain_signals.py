"""The published training signals: finite, below full scale, reproducible, with their quirks."""

import numpy as np
import pytest

from effects.processors import find_processor
from recipes.data.effects.config import EffectDataConfig
from recipes.data.effects.rendered import BANKS, RenderedDataset
from recipes.data.effects.settings import draw_settings, spread_places
from recipes.data.effects.signaltrain_signals import (
    ON_THE_FLY,
    SIGNALS,
    finish,
    scale_peak,
    signaltrain_audio,
    sweep,
    time_axis,
)
from vocoders.core.errors import ConfigError

RATE, LENGTH = 44100, 8192


def draw(kind, seed=0, length=LENGTH):
    return signaltrain_audio(np.random.default_rng(seed), length, RATE, kind)


@pytest.mark.parametrize("kind", SIGNALS)
@pytest.mark.parametrize("length", [100, 4097, LENGTH])
def test_signals_are_finite_heard_and_reproducible(kind, length):
    audio = draw(kind, seed=3, length=length)
    assert audio.shape == (length,)
    assert np.isfinite(audio).all()
    assert 0.01 < np.abs(audio).max() < 2
    assert np.array_equal(audio, draw(kind, seed=3, length=length))
    assert not np.array_equal(audio, draw(kind, seed=4, length=length))


@pytest.mark.parametrize("kind", ["sines", "pluck", "level_steps", "sweep"])
def test_what_is_scaled_has_a_peak_of_its_range_and_both_polarities(kind):
    audio = [draw(kind, seed) for seed in range(30)]
    peaks = [np.abs(item).max() for item in audio]
    assert min(peaks) > 0.599
    assert max(peaks) < 0.901
    assert {np.sign(item[np.abs(item).argmax()]) for item in audio} == {-1, 1}


def test_nothing_is_digital_silence():
    quiet = finish(np.random.default_rng(0), np.zeros(LENGTH))
    assert 0 < quiet.max() <= 1e-8
    assert len(np.unique(quiet)) == LENGTH


def test_sines_are_in_radians_per_second():
    # At 150 rad/s, no more than five whole cycles pass in a window; at 150 Hz there would be 28.
    for seed in range(20):
        crossings = np.count_nonzero(np.diff(np.sign(draw("sines", seed))))
        assert crossings <= 2 * 150 * LENGTH / RATE / (2 * np.pi) + 2


def test_a_box_has_three_levels_and_its_early_last_level():
    for seed in range(20):
        audio = np.abs(draw("box", seed))
        edges = np.flatnonzero(np.abs(np.diff(audio)) > 1e-6) + 1
        first, gap, second, third = (audio[edge] for edge in (0, *edges))
        assert np.diff(edges)[0] == 1
        assert gap == pytest.approx(third, abs=1e-7)
        assert first < 0.16 < second < 0.96
        assert 0.09 < third < 0.31


def test_noise_multiplies_or_joins_the_box():
    loud = np.abs(draw("noise_box"))
    assert loud.max() < 0.96
    assert np.abs(draw("noisy_box")).max() < 0.96 + 0.4
    # Multiplied noise has no mean, joined noise leaves that of the box.
    assert abs(draw("noise_box").mean()) < 0.02
    assert abs(draw("noisy_box").mean()) > 0.1


def test_steps_are_two_decibels_of_amplitude():
    levels = np.abs(draw("level_steps")).reshape(-1, 64).max(axis=1)
    # Thirty steps of a decibel of power, taken for amplitude, are 58 dB from the first to the last whole step.
    assert 20 * np.log10(levels[-1] / levels[0]) == pytest.approx(58, abs=2)


def test_a_sweep_doubles_its_frequency_at_its_rate():
    time = np.arange(RATE) / RATE
    audio = sweep(time, np.log(2) * 4)
    crossings = np.count_nonzero(np.diff(np.sign(audio[1:])))
    # The integral of 20 * 16 ** t over a second.
    assert crossings / 2 == pytest.approx(20 * 15 / np.log(16), abs=1)


def test_pink_noise_is_symmetric_and_falls_by_three_decibels():
    audio = draw("pink")
    np.testing.assert_allclose(audio[1:], audio[:0:-1], atol=2e-8)
    power = np.mean([np.abs(np.fft.rfft(draw("pink", seed))) ** 2 for seed in range(40)], axis=0)
    bands = [power[2**k : 2 ** (k + 1)].mean() for k in range(4, 12)]
    np.testing.assert_allclose(10 * np.log10(np.array(bands[1:]) / bands[:-1]), -3.01, atol=1.2)


def test_fifty_spikes_stand_out():
    audio = np.mean([np.abs(draw("spikes", seed)).max() for seed in range(10)])
    assert audio > 0.6


def test_training_on_the_fly_draws_its_six_signals():
    assert set(ON_THE_FLY) < set(SIGNALS)
    generator = np.random.default_rng(0)
    audio = [signaltrain_audio(generator, 2000, RATE) for _ in range(120)]
    # The box alone stands still almost everywhere.
    boxes = sum(np.median(np.abs(np.diff(item))) < 1e-7 for item in audio)
    assert 10 <= boxes <= 30


def test_the_older_generator_draws_too():
    audio = scale_peak(np.random.RandomState(0), time_axis(10, RATE))
    assert 0.6 <= audio.max() <= 0.9


class Recordings:
    """Silent recordings: whatever is heard is synthetic."""

    sample_rate = RATE
    utterances = (type("Utterance", (), {"utt_id": "silence"}),)

    def num_samples(self, index):
        return LENGTH

    def read(self, index, start, length):
        return np.zeros(length)


def test_the_bank_is_chosen_in_the_configuration():
    config = EffectDataConfig(
        processor="comp_4c", pre_roll=6144, synthetic=1.0, bank="signaltrain", level_db=(0, 0), ends=0, knob_shape=0.8
    )
    knobs = find_processor("comp_4c").knobs
    dataset = RenderedDataset(Recordings(), config, 2048, knobs)
    peaks = [float(dataset[0, draw]["audio"].abs().max()) for draw in range(20)]
    assert max(peaks) < 0.96 + 0.4
    assert min(peaks) > 0.4
    assert set(BANKS) == {"ondes", "signaltrain"}
    with pytest.raises(ConfigError, match="bank"):
        EffectDataConfig.from_dict({"processor": "comp_4c", "bank": "signal_train"})


def test_places_favour_the_ends_as_far_as_their_shape_says():
    uniform = np.linspace(0, 1, 1001)
    places = spread_places(uniform, 0.8)
    assert (np.diff(places) > 0).all()
    np.testing.assert_allclose(places + places[::-1], 1, atol=1e-9)
    # The variance of Beta(a, a) is 1 / (4 (2 a + 1)).
    assert places.var() == pytest.approx(1 / (4 * 2.6), rel=0.01)
    assert np.array_equal(spread_places(uniform, 1.0), uniform)


def test_settings_follow_the_shape_and_stay_out_of_what_is_held_out():
    knobs = find_processor("comp_4c").knobs
    generator = np.random.default_rng(0)
    variances = [
        np.var([draw_settings(knobs, index, generator, shape=shape) for index in range(2000)]) for shape in (1.0, 0.3)
    ]
    assert variances[1] > 1.1 * variances[0]


def test_rendered_pairs_need_an_effect_that_renders_them():
    with pytest.raises(ConfigError, match="processor"):
        RenderedDataset(Recordings(), EffectDataConfig(synthetic=0), 2048, find_processor("comp_4c").knobs)
