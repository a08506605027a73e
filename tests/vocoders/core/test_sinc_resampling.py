"""The windowed sinc: torchaudio's numbers, tones that pass or vanish, gradients."""

import pytest
import torch

from vocoders.core.sinc_resampling import SincResampler, sinc_resample


@pytest.mark.parametrize(("orig_rate", "new_rate"), [(44100, 16000), (24000, 16000), (16000, 24000), (1, 2), (8, 1)])
@pytest.mark.parametrize("zero_crossings", [6, 15])
def test_numbers_are_those_of_torchaudio(orig_rate: int, new_rate: int, zero_crossings: int) -> None:
    functional = pytest.importorskip("torchaudio.functional", reason="compares with torchaudio")
    audio = torch.randn(2, 1, 4001, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = functional.resample(audio, orig_rate, new_rate, lowpass_filter_width=zero_crossings)
    torch.testing.assert_close(sinc_resample(audio, orig_rate, new_rate, zero_crossings), expected, rtol=0, atol=1e-12)
    half = SincResampler(orig_rate, new_rate, zero_crossings)(audio.float())
    torch.testing.assert_close(half, expected.float(), rtol=0, atol=1e-6)


def test_a_tone_passes_below_the_lower_nyquist_frequency_and_vanishes_above() -> None:
    time = torch.arange(48000, dtype=torch.float64) / 48000
    for hertz, gain in ((1000.0, 1.0), (6000.0, 1.0), (11000.0, 0.0)):
        made = sinc_resample(torch.sin(2 * torch.pi * hertz * time), 48000, 16000, zero_crossings=32)
        middle = made[2000:-2000]
        expected = gain * torch.sin(2 * torch.pi * hertz * torch.arange(16000, dtype=torch.float64) / 16000)[2000:-2000]
        torch.testing.assert_close(middle, expected, rtol=0, atol=2e-3)


def test_equal_rates_change_nothing_and_gradients_flow() -> None:
    audio = torch.randn(3, 100, requires_grad=True)
    assert sinc_resample(audio, 7, 7) is audio
    sinc_resample(audio, 2, 3).square().sum().backward()
    assert audio.grad is not None
    assert audio.grad.abs().min() > 0
    assert not SincResampler(2, 3).state_dict()
