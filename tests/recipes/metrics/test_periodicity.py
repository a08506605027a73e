"""Periodicity, voicing and pitch against torchcrepe's own functions and constructed sounds."""

import numpy as np
import pytest
import torch

from recipes.metrics import periodicity
from recipes.metrics.metric import Signal, SignalPair, UndefinedMetricError
from recipes.metrics.periodicity import (
    PeriodicityRmse,
    PitchRmse,
    VoicingCurves,
    VoicingF1,
    a_weighted_level,
    preferred_tracker,
    voicing_curves,
)
from vocoders.core.errors import ConfigError, MissingExtraError

ALL = (PeriodicityRmse, VoicingF1, PitchRmse)


@pytest.fixture(scope="module")
def torchcrepe():
    return pytest.importorskip("torchcrepe")


@pytest.fixture(scope="module")
def clip(make_voiced):
    """A third of a second at 24 kHz: voice, then noise, then silence; short, for CREPE takes 40 ms for each frame."""
    voice = make_voiced(np.linspace(150, 180, 3500))
    noise = 0.02 * np.random.default_rng(0).standard_normal(1000)
    return Signal(np.concatenate([voice, noise, np.zeros(3000)]).astype(np.float32), 24000)


@pytest.fixture
def given_curves(monkeypatch):
    """Function (reference, generated) -> SignalPair whose curves are those given, whatever the tracker."""

    def make(*curves):
        signals = [Signal(np.zeros(24000, np.float32), 24000) for _ in curves]
        table = dict(zip(map(id, signals), curves, strict=True))
        monkeypatch.setattr(periodicity, "voicing_curves", lambda signal, tracker: table[id(signal)])
        return SignalPair(*signals)

    return make


def curves(voiced, octaves=0.0, strength=None):
    voiced = np.array(voiced, bool)
    octaves = np.broadcast_to(np.asarray(octaves, float), voiced.shape)
    return VoicingCurves(octaves, voiced * 1.0 if strength is None else np.array(strength), voiced)


def test_the_three_numbers_follow_from_the_curves(given_curves):
    pair = given_curves(
        curves([1, 1, 1, 0, 0], octaves=[7, 7, 7, 3, 3], strength=[0.9, 0.8, 0.7, 0.1, 0.0]),
        curves([1, 1, 0, 1, 0], octaves=[7.1, 6.9, 9, 9, 9], strength=[0.9, 0.4, 0.7, 0.4, 0.0]),
    )
    assert PeriodicityRmse("pyin")(pair) == pytest.approx(np.sqrt((0.4**2 + 0.3**2) / 5))
    precision = recall = 2 / 3
    assert VoicingF1("pyin")(pair) == pytest.approx(2 * precision * recall / (precision + recall))
    assert PitchRmse("pyin")(pair) == pytest.approx(120)


def test_without_a_voiced_frame_pitch_and_f1_have_no_value(given_curves):
    neither = given_curves(curves([0, 0]), curves([0, 0]))
    with pytest.raises(UndefinedMetricError, match="voiced in either"):
        VoicingF1("pyin")(neither)
    with pytest.raises(UndefinedMetricError, match="voiced in both"):
        PitchRmse("pyin")(neither)
    assert PeriodicityRmse("pyin")(neither) == 0
    one = given_curves(curves([1, 0]), curves([0, 1]))
    assert VoicingF1("pyin")(one) == 0
    with pytest.raises(UndefinedMetricError, match="voiced in both"):
        PitchRmse("pyin")(one)


def test_crepe_follows_the_published_calls(torchcrepe, clip):
    found = voicing_curves(clip, "crepe")
    audio = torch.from_numpy(clip.resampled(16000))[None, None]
    audio = torch.nn.functional.pad(audio, (427, 427), mode="reflect")[0]
    state = np.random.get_state()
    np.random.seed(0)
    pitch, strength = torchcrepe.predict(audio, 16000, 170, 50.0, 550.0, "full", return_periodicity=True, pad=False)
    np.random.set_state(state)
    strength = torchcrepe.threshold.Silence(-60.0)(strength, audio, 16000, 170, pad=False)
    # 29 frames in both grids (7500 // 256 and 5000 // 170), so nothing is interpolated.
    assert pitch.shape == (1, 29)
    np.testing.assert_allclose(found.periodicity, strength[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(found.octaves, pitch[0].log2().numpy(), atol=1e-4)
    voiced = ~torchcrepe.threshold.Hysteresis()(pitch, strength)[0].isnan().numpy()
    np.testing.assert_array_equal(found.voiced, voiced)
    assert found.voiced[2:9].all()
    assert not found.voiced[-6:].any()
    assert not found.periodicity[-6:].any()


def test_crepe_neither_reads_nor_moves_the_global_random_state(torchcrepe):
    samples = (0.1 * np.random.default_rng(1).standard_normal(2400)).astype(np.float32)
    np.random.seed(5)
    first = voicing_curves(Signal(samples, 24000), "crepe").octaves
    after = np.random.random()
    second = voicing_curves(Signal(samples, 24000), "crepe").octaves
    np.testing.assert_array_equal(first, second)
    np.random.seed(5)
    assert np.random.random() == after


def test_the_level_is_that_of_torchcrepe(torchcrepe):
    rng = np.random.default_rng(2)
    samples = (rng.standard_normal(8000) * np.geomspace(1e-6, 0.3, 8000)).astype(np.float32)
    samples[:1500] = 0
    expected = torchcrepe.loudness.a_weighted(torch.from_numpy(samples)[None], 16000, 170, pad=False)[0].numpy()
    found = a_weighted_level(samples)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert found[0] < -80 < -60 < found[-1]
    assert (a_weighted_level(np.zeros(2048, np.float32)) == -100).all()


@pytest.mark.parametrize("tracker", ["swift", "pyin"])
def test_other_trackers_find_voice_pitch_and_pauses_on_the_same_frames(tracker, make_voiced):
    f0 = 130 + 20 * np.sin(np.linspace(0, 5, 24000))
    quiet = 0.02 * np.random.default_rng(3).standard_normal(12000)
    signal = Signal(np.concatenate([make_voiced(f0), quiet, np.zeros(6000)]).astype(np.float32), 24000)
    found = voicing_curves(signal, tracker)
    assert found.voiced.shape == (42000 // 256,)
    centres = np.arange(164) * 256 + 128
    inside = (centres > 2000) & (centres < 22000)
    assert found.voiced[inside].mean() > 0.9
    assert found.voiced[centres > 27000].mean() < 0.1
    assert not found.periodicity[centres > 38000].any()
    cents = 1200 * (found.octaves - np.log2(f0[np.minimum(centres, 23999)]))[inside & found.voiced]
    assert np.median(np.abs(cents)) < 25


@pytest.mark.parametrize("tracker", ["swift", "pyin"])
def test_a_transposition_is_read_in_cents(tracker, make_voiced, make_pair):
    f0 = 150 + 20 * np.sin(np.linspace(0, 6, 24000))
    pair = make_pair(make_voiced(f0), make_voiced(1.06 * f0))
    assert PitchRmse(tracker)(pair) == pytest.approx(1200 * np.log2(1.06), abs=15)
    assert VoicingF1(tracker)(pair) > 0.9


@pytest.mark.slow
def test_a_transposition_is_read_in_cents_by_crepe(torchcrepe, make_voiced, make_pair):
    f0 = 150 + 20 * np.sin(np.linspace(0, 6, 24000))
    pair = make_pair(make_voiced(f0), make_voiced(1.06 * f0))
    assert PitchRmse("crepe")(pair) == pytest.approx(1200 * np.log2(1.06), abs=15)
    assert VoicingF1("crepe")(pair) > 0.9


@pytest.mark.parametrize("sample_rate", [16000, 22050, 48000])
def test_every_rate_gives_a_frame_per_256_samples(sample_rate, make_pair):
    time = np.arange(sample_rate) / sample_rate
    buzz = np.sign(np.sin(2 * np.pi * 110 * time)) * 0.2
    found = voicing_curves(make_pair(buzz, buzz, sample_rate).reference, "swift")
    assert len(found.octaves) == len(found.periodicity) == len(found.voiced) == sample_rate // 256


def test_curves_are_found_once_for_the_three_metrics(monkeypatch, make_pair, speech):
    calls = []
    real = periodicity._TRACKERS["swift"]
    monkeypatch.setitem(
        periodicity._TRACKERS,
        "swift",
        periodicity._Tracker(
            *(real.title, real.module, real.extra, real.definition),
            track=lambda samples: calls.append(1) or real.track(samples),
            decide=real.decide,
        ),
    )
    pair = make_pair(speech, 0.5 * speech)
    for metric in ALL:
        metric("swift")(pair)
    assert len(calls) == 2


def test_the_tracker_is_the_first_that_is_installed_and_every_heading_names_it(monkeypatch):
    modules = __import__("sys").modules
    monkeypatch.setitem(modules, "torchcrepe", None)
    assert [metric().title for metric in ALL] == [
        "periodicity RMSE SwiftF0",
        "V/UV F1 SwiftF0",
        "pitch RMSE SwiftF0",
    ]
    monkeypatch.setitem(modules, "swift_f0", None)
    assert preferred_tracker() == "pyin"
    assert all("pYIN" in metric().title and "librosa pyin, not CREPE" in metric().definition for metric in ALL)
    with pytest.raises(MissingExtraError, match=r"'periodicity'.* torchcrepe.*ondes\[metrics\]"):
        PeriodicityRmse("crepe")
    with pytest.raises(ConfigError, match="'yin'.* crepe, swift, pyin"):
        PitchRmse("yin")


def test_crepe_comes_first_where_it_is_installed(torchcrepe):
    assert preferred_tracker() == "crepe"
    assert PitchRmse().heading == "pitch RMSE CREPE (cent) ↓"
