"""The envelope of a mel, and filters by it."""

import math

import pytest
import torch

from vocoders.core.errors import ConfigError
from vocoders.frontends.envelope import EnvelopeFilter, MelEnvelope, flat_excitation_levels
from vocoders.frontends.mel import MEL_PRESETS, LogMel

MEL = MEL_PRESETS["bigvgan_24k"]


@pytest.fixture(scope="module")
def shaping() -> EnvelopeFilter:
    return EnvelopeFilter(MEL)


def coloured_noise(num_frames: int, seed: int = 0) -> torch.Tensor:
    """Noise that falls by 60 dB from 0 to 12 kHz, at a slowly changing level."""
    length = num_frames * MEL.hop_length
    spectrum = torch.fft.rfft(torch.randn(length, generator=torch.Generator().manual_seed(seed)))
    tilt = 10 ** (-3 * torch.linspace(0, 1, len(spectrum)))
    swell = 0.6 + 0.4 * torch.sin(torch.linspace(0, 6, length))
    return (swell * torch.fft.irfft(spectrum * tilt, n=length))[None, None]


def test_envelope_of_white_noise_is_flat():
    noise = torch.randn(1, MEL.hop_length * 400, generator=torch.Generator().manual_seed(1))
    log_mel = LogMel(MEL)(flat_excitation_levels(MEL)[1] * noise)
    envelope = MelEnvelope(MEL, 513)(log_mel).exp().mean(-1)[0, 4:-4]
    torch.testing.assert_close(envelope, torch.ones_like(envelope), atol=0.15, rtol=0)


def test_whitened_signal_is_flat_and_of_unit_power(shaping: EnvelopeFilter):
    audio = coloured_noise(400)
    flat = shaping.divide(audio, LogMel(MEL)(audio))
    assert abs(flat.square().mean() - 1) < 0.25
    bands = torch.fft.rfft(flat[0, 0]).abs().square()[1:].unflatten(0, (10, -1)).mean(-1)
    assert bands.max() / bands.min() < 1.5


def test_ends_are_as_flat_as_the_middle(shaping: EnvelopeFilter):
    audio = coloured_noise(20)[..., 1000 : 1000 + 12 * MEL.hop_length]
    power = shaping.divide(audio, LogMel(MEL)(audio)).unflatten(-1, (12, -1)).square().mean(-1)[0, 0]
    assert power[[0, -1]].max() < 4


def test_colouring_undoes_whitening(shaping: EnvelopeFilter):
    audio = coloured_noise(200)
    log_mel = LogMel(MEL)(audio)
    error = shaping.multiply(shaping.divide(audio, log_mel), log_mel) - audio
    assert error.square().mean() < 0.02 * audio.square().mean()


def test_coloured_noise_has_the_mel_asked_for(shaping: EnvelopeFilter):
    log_mel = LogMel(MEL)(coloured_noise(200))
    noise = torch.randn(1, 1, 200 * MEL.hop_length, generator=torch.Generator().manual_seed(2))
    difference = LogMel(MEL)(shaping.multiply(noise, log_mel)) - log_mel
    assert difference.mean().abs() < 0.15
    assert difference.abs().mean() < 0.5


def test_filters_are_inverse_gains_for_a_steady_envelope(shaping: EnvelopeFilter):
    log_mel = torch.full((1, MEL.n_mels, 30), -2.0)
    signal = torch.randn(1, 1, 30 * MEL.hop_length, generator=torch.Generator().manual_seed(3))
    back = shaping.multiply(shaping.divide(signal, log_mel), log_mel)
    middle = slice(2048, -2048)
    error = (back - signal)[..., middle].square().mean() / signal.square().mean()
    assert error < 1e-3


@pytest.mark.parametrize("tilt", [0.3, 0.7])
def test_divided_signal_keeps_some_of_its_tilt_at_unit_power(tilt: float):
    shaping, audio = EnvelopeFilter(MEL, tilt), coloured_noise(400)
    log_mel = LogMel(MEL)(audio)
    divided = shaping.divide(audio, log_mel)
    noise = shaping.excite(torch.randn(audio.shape, generator=torch.Generator().manual_seed(5)), log_mel)
    for signal in (divided, noise):
        assert abs(signal.square().mean() - 1) < 0.25
        bands = torch.fft.rfft(signal[0, 0]).abs().square()[1:].unflatten(0, (10, -1)).mean(-1)
        fall = 10 * torch.log10(bands[0] / bands[-1])
        assert fall == pytest.approx(tilt * 54, abs=3)  # nine tenths of 60 dB between the middles of these bands
    error = shaping.multiply(divided, log_mel) - audio
    assert error.square().mean() < 0.02 * audio.square().mean()


def test_padding_of_a_mel_divides_no_sound_by_silence(shaping: EnvelopeFilter):
    audio, hop = coloured_noise(40), MEL.hop_length
    audio[..., 16 * hop : 20 * hop] *= torch.linspace(1, 0, 4 * hop).square()
    audio[..., 20 * hop :] = 0
    log_mel = LogMel(MEL)(audio)
    log_mel[..., 20:] = math.log(1e-5)
    power = shaping.divide(audio, log_mel).unflatten(-1, (40, -1)).square().mean(-1)[0, 0]
    assert power.max() < 10


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_short_signals_keep_their_length(shaping: EnvelopeFilter, num_frames: int):
    signal = torch.ones(2, 1, num_frames * MEL.hop_length)
    assert shaping.multiply(signal, torch.zeros(2, MEL.n_mels, num_frames)).shape == signal.shape


def test_mels_of_another_alignment_are_refused():
    with pytest.raises(ConfigError, match="same_zero"):
        EnvelopeFilter(MEL_PRESETS["vocos_24k"])
