"""The first harmonic of a low voice is found where a mel hides it."""

import pytest
import torch
from torch import Tensor

from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.frontends.lowest_harmonic import hann_lobe
from vocoders.frontends.mel import MEL_PRESETS, LogMel
from vocoders.frontends.mel_conversion import ForeignMel

TARGET = MEL_PRESETS["wavehax_24k"]


def voice(f0: float, rate: int) -> Tensor:
    time = torch.arange(rate, dtype=torch.float64) / rate
    harmonics = (torch.cos(2 * torch.pi * n * f0 * time + n) / n for n in range(1, int(4000 / f0)))
    return 0.1 * sum(harmonics, torch.zeros_like(time)).float()[None]


def test_lobe_is_the_transform_of_the_window() -> None:
    window = torch.hann_window(256, dtype=torch.float64)
    spectrum = torch.fft.rfft(window, 4096).abs() / window.sum()
    offset = torch.arange(80, dtype=torch.float64) * 256 / 4096
    torch.testing.assert_close(hann_lobe(offset), spectrum[:80], rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["espnet_24k", "espnet_16k", "tacotron_16k"])
@pytest.mark.parametrize("f0", [82.0, 100.0, 118.0, 140.0])
def test_first_harmonic_returns_with_its_level(name: str, f0: float) -> None:
    convention = MEL_CONVENTIONS[name]
    log_mel = convention.to_log_mel(convention.analyze(voice(f0, convention.mel.sample_rate)))
    foreign = ForeignMel(convention, TARGET)
    assert foreign.hides_harmonics
    true = LogMel(TARGET)(voice(f0, 24000))
    contour = torch.full((1, 1, log_mel.shape[-1]), f0)
    # The band whose centre is nearest: they are 33.7 Hz apart.
    band = round(f0 / 33.7) - 1
    with_f0, without = (
        (foreign.convert(log_mel, f0)[0, band, 10:60] - true[0, band, 10:60]).mean().abs() for f0 in (contour, None)
    )
    assert with_f0 < 0.5, "nepers"
    if f0 < 110:  # mostly under the slope of the first filter
        assert with_f0 < 0.7 * without


def test_high_voices_and_unvoiced_frames_stay() -> None:
    convention = MEL_CONVENTIONS["espnet_24k"]
    log_mel = convention.to_log_mel(convention.analyze(voice(210.0, 24000)))
    foreign = ForeignMel(convention, TARGET)
    for f0 in (0.0, 60.0, 210.0):
        contour = torch.full((1, 1, log_mel.shape[-1]), f0)
        torch.testing.assert_close(foreign.convert(log_mel, contour), foreign.convert(log_mel), rtol=0, atol=1e-3)
