"""Each metric against a closed form or an independent computation."""

import numpy as np
import pytest
import torch

from recipes.metrics.mcd import mel_cepstrum, mel_warping
from recipes.metrics.metric import Direction
from recipes.metrics.registry import create_metrics


def value(name, pair):
    return create_metrics([name])[0](pair)


def test_pesq_follows_the_published_protocol(speech, noise, make_pair):
    from pesq import pesq

    reference, generated = speech[::2].copy(), (speech + 0.01 * noise)[::2].copy()
    quantised = [np.trunc(signal.astype(np.float64) * 32768).astype(np.int16) for signal in (reference, generated)]
    assert value("pesq", make_pair(reference, generated, 16000)) == pesq(16000, *quantised, "wb")


def test_pesq_of_real_speech(natural, make_pair):
    audio, rate = natural
    samples = audio[0].numpy()
    assert value("pesq", make_pair(samples, samples, rate)) == pytest.approx(4.644, abs=5e-4)


def test_resampling_keeps_the_sound_and_removes_what_does_not_fit(make_pair):
    time = np.arange(24000) / 24000
    pair = make_pair(np.sin(2 * np.pi * 1000 * time), np.sin(2 * np.pi * 10000 * time))
    kept, removed = pair.resampled(16000)
    expected = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    assert kept.shape == (16000,)
    np.testing.assert_allclose(kept[100:-100], expected[100:-100], atol=2e-3)
    assert np.abs(removed[100:-100]).max() < 0.01


def test_mstft_by_numpy(speech, noise, make_pair):
    generated = speech + 0.01 * noise

    def magnitude(signal, n_fft, hop, win):
        left = (n_fft - win) // 2
        window = np.pad(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win) / win), (left, n_fft - win - left))
        padded = np.pad(signal.astype(np.float64), n_fft // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
        return np.sqrt(np.maximum(np.abs(np.fft.rfft(frames * window)) ** 2, 1e-8))

    distances = []
    for sizes in ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240)):
        x, y = magnitude(generated, *sizes), magnitude(speech, *sizes)
        distances.append(np.linalg.norm(y - x) / np.linalg.norm(y) + np.mean(np.abs(np.log(x / y))))
    forward = value("mstft", make_pair(speech, generated))
    assert forward == pytest.approx(np.mean(distances), rel=1e-4)
    assert value("mstft", make_pair(generated, speech)) != pytest.approx(forward, rel=1e-3)
    x, y = magnitude(generated, 1024, 256, 1024), magnitude(speech, 1024, 256, 1024)
    single = np.linalg.norm(y - x) / np.linalg.norm(y) + np.mean(np.abs(np.log(x / y)))
    assert value("stft", make_pair(speech, generated)) == pytest.approx(single, rel=1e-4)


@pytest.mark.parametrize("sample_rate", [16000, 24000, 48000])
def test_a_gain_moves_logarithmic_distances_by_its_logarithm(noise, make_pair, sample_rate):
    pair = make_pair(0.1 * noise, 0.05 * noise, sample_rate)
    assert value("mel_l1", pair) == pytest.approx(np.log(2), rel=1e-3)
    assert value("log_spectral_distance", pair) == pytest.approx(20 * np.log10(2), rel=1e-3)
    assert value("level_difference", pair) == pytest.approx(-20 * np.log10(2), rel=1e-5)
    assert value("high_frequency_difference", pair) == pytest.approx(-20 * np.log10(2), rel=1e-5)


def test_a_gain_moves_only_c0_of_the_mel_cepstrum(noise, make_pair):
    pair = make_pair(0.1 * noise, 0.05 * noise)
    assert value("mcd", pair) == pytest.approx(0, abs=0.01)
    # c0 is the mean of ln |H|, so a factor of 2 is ln 2 there: 10 sqrt(2) ln 2 / ln 10 dB.
    assert value("mcd_c0", pair) == pytest.approx(10 * np.sqrt(2) * np.log10(2), rel=1e-3)


def test_mel_cepstrum_is_the_cosine_series_on_the_warped_axis():
    rng = np.random.default_rng(0)
    alpha, order, bins = 0.466, 39, 1025
    frequency = np.linspace(0, np.pi, bins)
    log_magnitude = sum(rng.normal() / (k + 1) * np.cos(k * frequency) for k in range(12))
    found = mel_cepstrum(np.exp(2 * log_magnitude)[None], order, alpha)[0]
    # Independent: sample ln |H| where the warped frequency is uniform, then integrate against cosines.
    warped = (np.arange(8192) + 0.5) * np.pi / 8192
    original = warped - 2 * np.arctan2(alpha * np.sin(warped), 1 + alpha * np.cos(warped))
    samples = sum(coefficient * np.cos(k * original) for k, coefficient in enumerate(_cosine_series(log_magnitude, 12)))
    expected = np.array([np.mean(samples * np.cos(m * warped)) * (2 if m else 1) for m in range(order + 1)])
    np.testing.assert_allclose(found, expected, atol=1e-9)


def _cosine_series(values, count):
    spectrum = np.fft.irfft(values)
    return [spectrum[0], *(2 * spectrum[1:count])]


@pytest.mark.parametrize(
    ("sample_rate", "alpha"),
    [(8000, 0.312), (16000, 0.41), (22050, 0.455), (24000, 0.466), (44100, 0.544), (48000, 0.554)],
)
def test_the_all_pass_constant_is_the_one_of_the_literature(sample_rate, alpha):
    assert mel_warping(sample_rate) == pytest.approx(alpha, abs=2e-3)


def test_mcd_dtw_forgives_a_delay_that_mcd_counts(speech, make_pair):
    delayed = np.concatenate([np.zeros(1200, np.float32), speech[:-1200]]) + 1e-4
    pair = make_pair(speech, delayed)
    assert value("mcd_dtw", pair) < 0.5 * value("mcd", pair)


def test_log_f0_rmse_is_the_logarithm_of_a_transposition(make_voiced, make_pair):
    f0 = 150 + 20 * np.sin(np.linspace(0, 6, 30000))
    pair = make_pair(make_voiced(f0), make_voiced(1.06 * f0))
    assert value("log_f0_rmse", pair) == pytest.approx(np.log(1.06), rel=0.03)
    assert value("vuv_error", pair) < 3


def test_vuv_error_is_the_share_of_frames_that_changed(make_voiced, make_pair):
    f0 = np.full(48000, 180.0)
    devoiced = make_voiced(f0)
    devoiced[24000:36000] = 0.02 * np.random.default_rng(0).standard_normal(12000)
    assert value("vuv_error", make_pair(make_voiced(f0), devoiced)) == pytest.approx(25, abs=4)


def test_stoi_by_its_definition(make_pair):
    rng = np.random.default_rng(1)
    clean = rng.standard_normal(12000) * (1.2 + np.sin(np.arange(12000) / 300))
    noisy = clean + rng.standard_normal(12000)
    assert value("stoi", make_pair(clean, noisy, 10000)) == pytest.approx(_stoi(clean, noisy), abs=0.01)


def _stoi(clean, noisy):
    """STOI of Taal et al. (2011), section II, for signals at 10 kHz without silent frames."""
    edges = 150 * 2.0 ** ((np.arange(15)[:, None] + np.array([-0.5, 0.5])) / 3)
    frequency = np.arange(257) * 10000 / 512
    bands = np.array([(frequency >= low) & (frequency < high) for low, high in edges], dtype=float)

    def envelope(signal):
        frames = np.lib.stride_tricks.sliding_window_view(signal, 256)[::128] * np.hanning(258)[1:-1]
        return np.sqrt(bands @ (np.abs(np.fft.rfft(frames, 512)) ** 2).T)

    scores = []
    x_all, y_all = envelope(clean), envelope(noisy)
    for end in range(30, x_all.shape[1] + 1):
        x, y = x_all[:, end - 30 : end], y_all[:, end - 30 : end]
        y = y * np.linalg.norm(x, axis=1, keepdims=True) / np.linalg.norm(y, axis=1, keepdims=True)
        y = np.minimum(y, x * (1 + 10 ** (15 / 20)))
        scores += [np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)]
    return np.mean(scores)


def test_dnsmos_is_that_of_the_package_and_falls_with_noise(natural, make_pair):
    from speechmos import dnsmos

    audio, rate = natural
    samples = torch.nn.functional.interpolate(audio[None], scale_factor=16000 / rate)[0, 0].numpy()
    expected = dnsmos.run(samples, 16000)
    pair = make_pair(samples, samples, 16000)
    for score in ("p808", "sig", "bak", "ovrl"):
        assert value(f"dnsmos_{score}", pair) == pytest.approx(expected[f"{score}_mos"], abs=1e-4)
    noisy = samples + 0.05 * np.random.default_rng(0).standard_normal(len(samples))
    assert value("dnsmos_p808", make_pair(samples, noisy, 16000)) < expected["p808_mos"] - 0.3


def test_dc_offset_and_clipping_in_percent(speech, make_pair):
    assert value("dc_offset", make_pair(speech, speech + 0.01)) == pytest.approx(1.0, rel=1e-4)
    clipped = speech.copy()
    clipped[: len(speech) // 10] = 1.0
    clipped[-1] = -32767 / 32768
    assert value("clipped_share", make_pair(speech, clipped)) == pytest.approx(10, abs=0.01)
    assert value("clipped_share", make_pair(speech, speech)) == 0


def test_a_whistle_in_the_highest_band_shows_in_that_band_alone(noise, make_pair):
    time = np.arange(len(noise)) / 24000
    low = 0.3 * np.sin(2 * np.pi * 440 * time) + 0.001 * noise
    whistle = low + 0.001 * np.sin(2 * np.pi * 11000 * time)
    # The band holds a third of the noise: power 1e-6 / 3 before, and 5e-7 more with the whistle.
    expected = 10 * np.log10(1 + 0.5 / (1 / 3))
    assert value("high_frequency_difference", make_pair(low, whistle)) == pytest.approx(expected, abs=0.2)
    assert abs(value("level_difference", make_pair(low, whistle))) < 0.01
    assert create_metrics(["level_difference"])[0].direction is Direction.ZERO
