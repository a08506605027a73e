"""Every tracker finds known pitches at the promised times; gaps, scaling and bad input behave as documented."""

import sys

import numpy as np
import pytest
import soundfile

from vocoders.core.errors import ConfigError, DataError, MissingExtraError, ShapeError
from vocoders.frontends.f0 import F0Config, _swift_detector, extract_f0
from vocoders.frontends.world import import_world

SAMPLE_RATE, HOP = 24000, 240
METHODS = ["harvest", "dio", "pyin", "swift", "mel"]
# Tolerance on a steady tone in cents: pyin answers on a grid of ten cents, the networks are what they are.
CENTS = {"harvest": 1.0, "dio": 2.0, "pyin": 12.0, "swift": 15.0, "mel": 40.0}


@pytest.fixture(params=METHODS)
def method(request) -> str:
    """A tracker whose package is installed."""
    if request.param == "swift":
        pytest.importorskip("swift_f0", reason="optional package swift-f0 is not installed")
    return request.param


def harmonic_tone(f0: float | np.ndarray, seconds: float = 1.0, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Return a tone of ten decaying harmonics with a little noise."""
    num_samples = round(seconds * sample_rate)
    f0 = np.broadcast_to(np.asarray(f0, dtype=float), (num_samples,))
    phase = 2 * np.pi * np.cumsum(f0) / sample_rate
    harmonics = sum(np.sin(k * phase) / k * (k * f0 < 0.45 * sample_rate) for k in range(1, 11))
    return 0.2 * harmonics + 1e-3 * np.random.default_rng(0).standard_normal(num_samples)


@pytest.mark.parametrize("frequency", [95.0, 180.0, 420.0])
def test_a_steady_tone_has_its_pitch(method, frequency):
    f0 = extract_f0(harmonic_tone(frequency), SAMPLE_RATE, HOP, F0Config(method=method))
    assert f0.shape == (100,)
    assert f0.dtype == np.float32
    inner = f0[8:-8]
    assert (inner > 0).all()
    assert np.abs(1200 * np.log2(inner / frequency)).max() < CENTS[method]


@pytest.mark.parametrize(
    ("alignment", "hop_length"), [("frame_start", 240), ("frame_center", 240), ("frame_center", 301)]
)
def test_a_chirp_is_found_at_the_time_of_each_frame(method, alignment, hop_length):
    slope = 200.0
    lags = []
    for start, sign in ((150.0, 1), (350.0, -1)):
        chirp = harmonic_tone(start + sign * slope * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
        f0 = extract_f0(chirp, SAMPLE_RATE, hop_length, F0Config(method=method, alignment=alignment))
        shift = 0 if alignment == "frame_start" else hop_length / 2
        times = (np.arange(f0.size) * hop_length + shift) / SAMPLE_RATE
        voiced = (f0 > 0) & (times > 0.15) & (times < 0.85)
        assert voiced.sum() > 0.6 * f0.size
        lags.append(np.median(sign * (f0 - (start + sign * slope * times))[voiced]) / slope)
    # The mean over both directions cancels a bias in pitch and leaves the error in time; half a hop is 5 ms.
    assert abs(np.mean(lags)) < 1e-3


@pytest.mark.parametrize(("sample_rate", "hop_length"), [(8000, 80), (16000, 200), (22050, 256), (48000, 480)])
def test_other_sample_rates(method, sample_rate, hop_length):
    tone = harmonic_tone(200.0, sample_rate=sample_rate)
    f0 = extract_f0(tone, sample_rate, hop_length, F0Config(method=method))
    assert f0.size == tone.size // hop_length
    assert np.abs(1200 * np.log2(f0[8:-8] / 200.0)).max() < CENTS[method]


def test_noise_and_silence_are_unvoiced(method):
    config = F0Config(method=method)
    noise = np.random.default_rng(1).standard_normal(SAMPLE_RATE)
    for audio in (np.zeros(SAMPLE_RATE), 0.1 * noise, 1e-4 * noise, np.full(SAMPLE_RATE, 0.5)):
        f0 = extract_f0(audio, SAMPLE_RATE, HOP, config)
        assert f0.shape == (100,)
        assert np.mean(f0 > 0) <= 0.02


def test_a_pause_is_unvoiced_and_the_tone_around_it_voiced(method):
    tone = harmonic_tone(200.0, 1.5)
    tone[12000:24000] = 0
    f0 = extract_f0(tone, SAMPLE_RATE, HOP, F0Config(method=method))
    assert (f0[58:92] == 0).all()
    assert (f0[8:42] > 0).all()
    assert (f0[108:142] > 0).all()


@pytest.mark.parametrize("level", [1e-4, 1e-2, 4.0])
def test_the_level_does_not_matter(method, level):
    f0 = extract_f0(harmonic_tone(200.0, 0.6) * level, SAMPLE_RATE, HOP, F0Config(method=method))
    assert (f0[8:-8] > 0).all()


@pytest.mark.parametrize("num_samples", [0, 1, 3, 47, 239, 240, 1000])
def test_short_audio_has_its_frames(method, num_samples):
    audio = 0.1 * np.random.default_rng(0).standard_normal(num_samples)
    config = F0Config(method=method)
    assert extract_f0(audio, SAMPLE_RATE, HOP, config).shape == (num_samples // HOP,)
    f0 = extract_f0(audio, SAMPLE_RATE, HOP, config, num_frames=7)
    assert f0.shape == (7,)
    assert np.isfinite(f0).all()
    assert (f0[num_samples // HOP + 1 :] == 0).all()


def test_number_of_frames_may_be_given(method):
    tone, config = harmonic_tone(200.0, 0.5), F0Config(method=method)
    whole = extract_f0(tone, SAMPLE_RATE, HOP, config)
    assert extract_f0(tone, SAMPLE_RATE, HOP, config, num_frames=30).shape == (30,)
    longer = extract_f0(tone, SAMPLE_RATE, HOP, config, num_frames=60)
    np.testing.assert_allclose(longer[:45], whole[:45], rtol=1e-5)
    assert (longer[51:] == 0).all()


def test_the_result_depends_on_the_samples_alone(method):
    tone, config = harmonic_tone(200.0, 0.5).astype(np.float32), F0Config(method=method)
    expected = extract_f0(tone, SAMPLE_RATE, HOP, config)
    assert np.array_equal(extract_f0(np.repeat(tone, 2)[::2], SAMPLE_RATE, HOP, config), expected)
    assert np.array_equal(extract_f0(tone.astype(np.float64), SAMPLE_RATE, HOP, config), expected)


@pytest.mark.parametrize(("sample_rate", "hop_length"), [(24000, 240), (22050, 256)])
def test_chunks_of_long_audio_join(method, sample_rate, hop_length, monkeypatch):
    time = np.arange(5 * sample_rate + 101) / sample_rate
    audio = harmonic_tone(150 + 50 * np.sin(3 * time), 5 + 101 / sample_rate, sample_rate) * (np.sin(5 * time) > -0.6)
    config = F0Config(method=method, alignment="frame_center")
    whole = extract_f0(audio, sample_rate, hop_length, config)
    monkeypatch.setattr("vocoders.frontends.f0._CHUNK_SECONDS", 1.5)
    monkeypatch.setattr("vocoders.frontends.f0._CONTEXT_SECONDS", 0.5)
    chunked = extract_f0(audio, sample_rate, hop_length, config)
    assert np.mean((chunked > 0) != (whole > 0)) < 0.01
    both = (chunked > 0) & (whole > 0)
    assert np.mean(np.abs(1200 * np.log2(chunked[both] / whole[both])) > 20) < 0.01


def test_frame_start_is_the_published_recipe():
    audio = harmonic_tone(100 + 150 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    audio[9000:15000] = 0
    expected, times = import_world("a test").harvest(
        audio, SAMPLE_RATE, f0_floor=60.0, f0_ceil=700.0, frame_period=10.0
    )
    assert times[1] == pytest.approx(HOP / SAMPLE_RATE)
    f0 = extract_f0(audio, SAMPLE_RATE, HOP, F0Config(f0_min=60.0, f0_max=700.0))
    assert np.array_equal(f0, expected[:100].astype(np.float32))


@pytest.mark.parametrize("coarse", ["harvest", "dio"])
def test_stonemask_keeps_voicing_and_pitch(coarse):
    tone = harmonic_tone(200.0)
    tone[12000:] = 0
    plain, refined = (extract_f0(tone, SAMPLE_RATE, HOP, F0Config(method=coarse, refine=r)) for r in (False, True))
    assert np.array_equal(plain > 0, refined > 0)
    assert not np.array_equal(plain, refined)
    assert np.abs(1200 * np.log2(refined[8:42] / 200.0)).max() < 2.0


def test_trackers_agree_on_speech(mini_libritts):
    pytest.importorskip("swift_f0", reason="optional package swift-f0 is not installed")
    path = sorted((mini_libritts / "dev-mini").rglob("*.flac"))[0]
    audio, sample_rate = soundfile.read(path, frames=3 * SAMPLE_RATE)
    reference = extract_f0(audio, sample_rate, HOP, F0Config())
    for other in ("dio", "pyin", "swift", "mel"):
        f0 = extract_f0(audio, sample_rate, HOP, F0Config(method=other))
        both = (f0 > 0) & (reference > 0)
        assert both.mean() > 0.3
        assert np.median(np.abs(1200 * np.log2(f0[both] / reference[both]))) < 30


def test_bad_audio_is_refused():
    config = F0Config()
    broken = np.zeros(1000)
    broken[[7, 9]] = np.nan, np.inf
    with pytest.raises(DataError, match="2 samples.* sample 7"):
        extract_f0(broken, SAMPLE_RATE, HOP, config)
    with pytest.raises(ShapeError, match="int16"):
        extract_f0(np.zeros(1000, dtype=np.int16), SAMPLE_RATE, HOP, config)
    with pytest.raises(ShapeError, match=r"\(1, 1000\)"):
        extract_f0(np.zeros((1, 1000)), SAMPLE_RATE, HOP, config)
    with pytest.raises(ConfigError, match="f0_max 1000 Hz.* 2000 Hz"):
        extract_f0(np.zeros(1000), 2000, HOP, config)
    with pytest.raises(ConfigError, match="hop_length is 0"):
        extract_f0(np.zeros(1000), SAMPLE_RATE, 0, config)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"f0_min": 300.0, "f0_max": 200.0}, "300 Hz to f0_max 200 Hz"),
        ({"method": "swift", "f0_min": 2050.0, "f0_max": 4000.0}, r"'swift'.* 2050 to 2093\.75 Hz"),
        ({"method": "pyin", "refine": True}, "refine.* harvest and dio"),
        ({"method": "crepe"}, "'harvest', 'dio', 'pyin', 'swift' or 'mel'"),
        ({"f0_min": 0.0}, "f0_min"),
    ],
)
def test_a_config_that_cannot_work_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        F0Config.from_dict(fields)


def test_fingerprint_tells_every_field_apart():
    changes = [
        {}, {"method": "dio"}, {"f0_min": 80.0}, {"f0_max": 900.0}, {"alignment": "frame_center"}, {"refine": True}
    ]  # fmt: skip
    assert len({F0Config(**change).fingerprint for change in changes}) == len(changes)
    assert F0Config().fingerprint == "f0 harvest 70-1000 Hz frame_start"


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    _swift_detector.cache_clear()
    monkeypatch.setitem(sys.modules, "swift_f0", None)
    with pytest.raises(MissingExtraError, match=r"'swift'.* swift-f0.*ondes\[f0\]"):
        extract_f0(harmonic_tone(200.0, 0.1), SAMPLE_RATE, HOP, F0Config(method="swift"))


def test_world_loads_without_the_package_around_it(monkeypatch):
    """New environments have no pkg_resources, which the package imports; without the package, the extra is named."""
    monkeypatch.setitem(sys.modules, "pkg_resources", None)
    monkeypatch.delitem(sys.modules, "pyworld", raising=False)
    assert import_world("a test").get_cheaptrick_fft_size(SAMPLE_RATE) == 1024
    assert "pyworld" not in sys.modules
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"F0 method 'harvest'.*ondes\[f0\]"):
        extract_f0(harmonic_tone(200.0), SAMPLE_RATE, HOP, F0Config(method="harvest"))
