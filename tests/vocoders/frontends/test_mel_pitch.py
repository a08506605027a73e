"""F0 from a mel alone: tones have their pitch, silence and noise none; the shipped weights are what they were."""

import numpy as np
import pytest
import torch

from vocoders.core.errors import DataError, ShapeError
from vocoders.core.measures import compare_f0
from vocoders.frontends.mel import MEL_PRESETS, LogMel
from vocoders.frontends.mel_f0 import estimate_f0
from vocoders.frontends.mel_pitch import _SHIPPED, MelPitch, MelPitchConfig, shipped_mel_pitch
from vocoders.frontends.pitch_path import PATH_FRAMES

RATE = 24000


def tone(f0: float, seconds: float = 1.0, rate: int = RATE, level: float = 0.1) -> torch.Tensor:
    """Return harmonics up to 5 kHz that fall by 6 dB in an octave, with a little noise, (1, T)."""
    time = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    audio = sum(torch.sin(2 * torch.pi * k * f0 * time) / k for k in range(1, max(2, int(5000 / f0))))
    noise = 1e-3 * torch.randn(len(time), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (level * (audio + noise)).float()[None]


@pytest.fixture(scope="module")
def estimator() -> MelPitch:
    """The shipped estimator."""
    return shipped_mel_pitch()


@pytest.fixture(scope="module")
def log_mel(estimator) -> LogMel:
    """Its front end."""
    return LogMel(estimator.config.mel)


@pytest.mark.parametrize("frequency", [90.0, 140.0, 230.0, 400.0, 620.0])
@pytest.mark.parametrize("level", [0.003, 0.1, 0.5])
def test_a_harmonic_tone_has_its_pitch(estimator, log_mel, frequency, level):
    f0 = estimator.estimate(log_mel(tone(frequency, level=level)))[0, 0, 10:-10]
    assert (f0 > 0).float().mean() > 0.98
    assert float((1200 * torch.log2(f0[f0 > 0] / frequency)).abs().median()) < 20


def test_silence_and_noise_are_unvoiced(estimator, log_mel):
    noise = torch.randn(1, RATE, generator=torch.Generator().manual_seed(1))
    for audio in (torch.zeros(1, RATE), 0.1 * noise, 1e-4 * noise, torch.cumsum(0.001 * noise, dim=1)):
        assert (estimator.estimate(log_mel(audio)) > 0).float().mean() < 0.03


def test_a_pause_is_unvoiced_and_the_tone_around_it_voiced(estimator, log_mel):
    audio = tone(180.0, 1.5)
    audio[:, 12000:24000] = 0
    f0 = estimator.estimate(log_mel(audio))[0, 0]
    assert (f0[10:42] > 0).all()
    assert (f0[60:90] == 0).all()
    assert (f0[110:140] > 0).all()


@pytest.mark.parametrize(
    "preset", ["hifigan_22k", "bigvgan_24k", "vocos_24k", "espnet_24k", "wavehax_24k", "wavehax_48k"]
)
def test_other_conventions_give_the_same_f0(preset):
    mel = MEL_PRESETS[preset]
    f0 = estimate_f0(LogMel(mel)(tone(200.0, rate=mel.sample_rate)), mel)
    assert f0.shape == (1, 1, mel.sample_rate // mel.hop_length)
    inner = f0[0, 0, 10:-10]
    assert (inner > 0).float().mean() > 0.95
    assert float((1200 * torch.log2(inner[inner > 0] / 200)).abs().median()) < 25


def test_chunks_join_exactly(estimator, monkeypatch):
    features = torch.randn(2, 100, 300, generator=torch.Generator().manual_seed(0)) - 5
    whole = estimator.estimate(features)
    monkeypatch.setattr("vocoders.frontends.mel_pitch._CHUNK_FRAMES", 70)
    torch.testing.assert_close(estimator.estimate(features), whole)


def test_a_frame_depends_on_its_context_alone():
    model = MelPitch(MelPitchConfig(channels=8, num_bins=20, num_blocks=2)).eval()
    features = (torch.randn(1, 100, 60) - 5).requires_grad_()
    model(features)[0, :, 30].sum().backward()
    assert features.grad is not None
    reached = features.grad[0].abs().sum(dim=0).nonzero().flatten()
    reach = model.context_frames - PATH_FRAMES
    assert (reached.min(), reached.max()) == (30 - reach, 30 + reach)


def test_bins_and_hertz_are_inverse(estimator):
    f0 = torch.tensor([60.0, 111.0, 333.0, 790.0]).repeat_interleave(10)
    logits = torch.full((1, estimator.config.num_bins + 1, 40), -30.0)
    bins = torch.arange(estimator.config.num_bins)[:, None]
    logits[0, :-1] = -2 * (bins - estimator.positions(f0)) ** 2
    logits[0, -1] = torch.tensor([9.0, 9.0, 9.0, -9.0]).repeat_interleave(10)
    found = estimator.decode(logits)[0, 0]
    assert torch.allclose(found[:30], f0[:30], rtol=1e-3)
    assert not found[30:].any()


def test_shipped_weights_reproduce_their_reference(estimator):
    MelPitch.from_pretrained(_SHIPPED, verify=True)
    assert sum(path.stat().st_size for path in _SHIPPED.iterdir()) < 1e6


@pytest.mark.parametrize(
    ("features", "error"), [(torch.zeros(80, 50), ShapeError), (torch.full((100, 5), torch.nan), DataError)]
)
def test_bad_features(estimator, features, error):
    with pytest.raises(error):
        estimator.estimate(features)


def test_speech_has_the_f0_of_harvest(estimator, log_mel, mini_libritts):
    import soundfile

    from vocoders.frontends.f0 import extract_f0

    path = sorted((mini_libritts / "test-mini").rglob("*.flac"))[0]
    audio, _ = soundfile.read(path, frames=4 * RATE, dtype="float32")
    reference = extract_f0(audio, RATE, 240, estimator.config.f0)
    found = compare_f0(estimator.estimate(log_mel(torch.from_numpy(audio)[None]))[0, 0].numpy(), reference)
    assert found.voicing_f1 > 0.85
    assert found.gross_error < 0.1


def test_measures_of_contours():
    reference = np.array([100.0, 100.0, 0.0, 0.0, 200.0, 200.0])
    same = compare_f0(reference, reference)
    assert (same.voicing_f1, same.gross_error, same.median_cents) == (1.0, 0.0, 0.0)
    found = compare_f0(np.array([100.0, 50.0, 100.0, 0.0, 0.0, 200.0]), reference)
    assert found.voicing_f1 == pytest.approx(0.75)
    assert found.gross_error == pytest.approx(1 / 3)
    assert np.isnan(compare_f0(np.zeros(3), np.zeros(3)).voicing_f1)
