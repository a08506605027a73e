"""Features of one convention become those of another, and waveforms keep to the given ones."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import vocoders
from vocoders.core.audio import read_audio
from vocoders.core.resampling import resample
from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.frontends.mel import MEL_PRESETS, LogMel, MelConfig
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.mel_conversion import ForeignMel, interpolate_contour
from vocoders.frontends.mel_spectrum import spectrum_of_mel
from vocoders.frontends.speech_envelope import ENVELOPE_MEL, SpeechEnvelope

TARGET = MEL_PRESETS["bigvgan_24k"]
OTHERS = ["hifigan_22k", "bigvgan_44k", "vocos_24k", "speechbrain_16k", "espnet_24k", "coqui_22k", "tacotron_16k"]


@pytest.fixture(scope="module")
def speech() -> Tensor:
    """Return two seconds of speech at 24 kHz, (1, T)."""
    audio, rate = read_audio(Path(vocoders.__file__).parent / "examples" / "speech.flac")
    return resample(audio[:1], rate, 24000)[:, 12000:60000]


def features_of(convention: MelConvention, speech: Tensor) -> Tensor:
    return convention.analyze(resample(speech, 24000, convention.mel.sample_rate))


@pytest.mark.parametrize("name", OTHERS)
def test_converted_mel_is_near_the_mel_of_the_audio(name: str, speech: Tensor) -> None:
    convention = MEL_CONVENTIONS[name]
    foreign = ForeignMel(convention, TARGET)
    converted = foreign.convert(convention.to_log_mel(features_of(convention, speech)))
    true = LogMel(TARGET)(speech)
    assert abs(converted.shape[-1] - true.shape[-1]) <= 1
    frames = slice(2, min(true.shape[-1], converted.shape[-1]) - 2)
    # Where all of them have bands, and where speech is loud enough to be heard.
    bands = slice(8, 70)
    difference = (converted[:, bands, frames] - true[:, bands, frames])[true[:, bands, frames] > -7]
    assert difference.abs().mean() < 0.25, "nepers"
    assert difference.mean().abs() < 0.1


@pytest.mark.parametrize("name", ["hifigan_22k", "tacotron_16k", "espnet_24k"])
def test_refinement_moves_the_waveform_to_the_given_mel(name: str, speech: Tensor) -> None:
    convention = MEL_CONVENTIONS[name]
    log_mel = convention.to_log_mel(features_of(convention, speech))
    foreign = ForeignMel(convention, TARGET)
    noisy = speech[:, None] + 0.02 * torch.randn(1, 1, speech.shape[-1], generator=torch.Generator().manual_seed(0))
    errors = []
    for iterations in (0, 8):
        waveform = foreign.refine(noisy, log_mel, iterations)
        assert waveform.shape == noisy.shape
        found = convention.to_log_mel(features_of(convention, waveform[:, 0]))
        errors.append((found - log_mel)[..., :-2].abs().mean())
    assert errors[1] < 0.5 * errors[0]


def test_nothing_remains_below_bands_that_begin_within_the_range_of_voices() -> None:
    time = torch.arange(24000) / 24000
    rumble, voice = (torch.sin(2 * torch.pi * hertz * time)[None, None] for hertz in (50, 120))
    found = {}
    for name in ("espnet_24k", "hifigan_22k"):
        convention = MEL_CONVENTIONS[name]
        frames = convention.mel.sample_rate // convention.mel.hop_length
        log_mel = torch.zeros(1, convention.mel.n_mels, frames)
        found[name] = ForeignMel(convention, TARGET).refine(rumble + voice, log_mel, 0)
    inner = slice(6000, 18000)
    assert (found["espnet_24k"] - voice)[..., inner].abs().max() < 0.01
    torch.testing.assert_close(found["hifigan_22k"], rumble + voice)


def test_pre_emphasis_is_undone(speech: Tensor) -> None:
    convention = MEL_CONVENTIONS["tacotron_16k"]
    foreign = ForeignMel(convention, TARGET)
    torch.testing.assert_close(foreign._deemphasize(convention.emphasize(speech)), speech, rtol=0, atol=1e-5)


@pytest.mark.parametrize("beyond", ["speech", "silence"])
def test_what_is_beyond_the_bands_is_plausible_or_silent(beyond: str, speech: Tensor) -> None:
    convention = MEL_CONVENTIONS["hifigan_22k"]
    found = ForeignMel(convention, TARGET, beyond).convert(convention.to_log_mel(features_of(convention, speech)))
    true = LogMel(TARGET)(speech)[..., : found.shape[-1]]
    top = slice(-8, None)  # above 9.5 kHz
    if beyond == "silence":
        assert found[:, top].max() < -11
    else:
        guessed, known = (mel[0, top, : true.shape[-1]].mean(dim=0) for mel in (found, true))
        assert (guessed - known).mean().abs() < 1.5, "nepers"
        assert torch.corrcoef(torch.stack([guessed, known]))[0, 1] > 0.8


def test_envelope_of_speech_is_the_conditional_mean() -> None:
    envelope = SpeechEnvelope.shipped()
    hertz = torch.linspace(0, 12000, 513, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    frames = torch.distributions.MultivariateNormal(envelope.mean, envelope.covariance + 1e-6 * torch.eye(100))
    torch.manual_seed(0)
    bands = frames.sample((400,)).T[None]
    known = torch.arange(100) < 80
    completed = envelope._complete(bands, known)
    assert torch.equal(completed[:, known], bands[:, known])
    error = (completed - bands)[:, ~known]
    deviation = (bands - envelope.mean[:, None])[:, ~known]
    assert error.square().mean() < 0.5 * deviation.square().mean()
    spectrum = torch.randn(1, 513, 5, generator=generator)
    extended = envelope.extend(spectrum, hertz, 100.0, 6000.0, "speech")
    inside = (hertz > 300) & (hertz < 5500)
    assert torch.equal(extended[:, inside], spectrum[:, inside])
    assert not torch.equal(extended[:, hertz > 6000], spectrum[:, hertz > 6000])


def test_measured_envelope_is_that_of_the_audio_and_is_kept_in_a_file(tmp_path: Path, speech: Tensor) -> None:
    measured = SpeechEnvelope.measure([speech[0]])
    log_mel = LogMel(ENVELOPE_MEL)
    expected = log_mel(speech)[0].mean(dim=1) - log_mel.basis.sum(dim=1).log()
    torch.testing.assert_close(measured.mean.float(), expected, rtol=1e-4, atol=1e-4)
    measured.save(tmp_path / "envelope.safetensors")
    assert (tmp_path / "envelope.safetensors").stat().st_size > 40000


@pytest.mark.parametrize("power", [1, 2])
def test_spectrum_of_a_mel_is_not_negative_and_has_that_mel(power: int, speech: Tensor) -> None:
    log_mel = LogMel(MelConfig(power=power))
    mel = log_mel.linear(speech)
    spectrum = spectrum_of_mel(mel, log_mel.basis, updates=40)
    assert spectrum.min() >= 0
    assert (log_mel.basis @ spectrum - mel).abs().sum() < 0.05 * mel.sum()


def test_own_features_pass_unchanged() -> None:
    convention = MelConvention(mel=TARGET, multiplier=20.0)
    assert ForeignMel(convention, TARGET).is_native
    assert not ForeignMel(MelConvention(mel=TARGET, preemphasis=0.9), TARGET).is_native


def test_contours_are_interpolated_between_voiced_frames_alone() -> None:
    f0 = torch.tensor([[[0.0, 100.0, 200.0, 0.0]]])
    found = interpolate_contour(f0, torch.tensor([-1.0, 0.4, 1.0, 1.5, 2.4, 2.6, 9.0]))[0, 0]
    torch.testing.assert_close(found, torch.tensor([0.0, 0.0, 100.0, 100 * 2**0.5, 200.0, 0.0, 0.0]))
