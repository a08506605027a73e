"""Vocoders take features of any convention."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vocoders import load_vocoder
from vocoders.core.errors import ConfigError, DataError, ShapeError
from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.frontends.mel_convention import MelConvention
from vocoders.interface import Vocoder


@pytest.fixture(scope="module")
def inversion() -> Vocoder:
    return load_vocoder("mel-inversion:bigvgan_24k")


def tone(rate: int, seconds: float = 0.4) -> Tensor:
    time = torch.arange(round(rate * seconds)) / rate
    return (0.3 * torch.sin(2 * torch.pi * 440 * time) + 0.1 * torch.sin(2 * torch.pi * 1760 * time))[None]


@pytest.mark.parametrize("name", ["hifigan_22k", "espnet_24k", "tacotron_16k", "bigvgan_44k"])
def test_output_has_the_duration_and_the_tones_of_the_features(name: str, inversion: Vocoder) -> None:
    convention = MEL_CONVENTIONS[name]
    mel = convention.mel
    features = convention.analyze(tone(mel.sample_rate))
    frames = features.shape[-2 if convention.layout == "frames_first" else -1]
    waveform = inversion.synthesize(features, mel=name, mel_refinement=8)
    assert waveform.shape == (1, 1, round(frames * mel.hop_length * 24000 / mel.sample_rate))
    spectrum = torch.fft.rfft(waveform[0, 0] * torch.hann_window(waveform.shape[-1])).abs()
    loudest = spectrum.argmax().item() * 24000 / waveform.shape[-1]
    assert loudest == pytest.approx(440, abs=40)


def test_own_convention_changes_nothing(inversion: Vocoder) -> None:
    features = inversion.analyze(tone(24000))["features"]
    expected = inversion.synthesize(features, mel_refinement=2)
    assert torch.equal(inversion.synthesize(features, mel="bigvgan_24k", mel_refinement=2), expected)
    scaled = MelConvention(mel=MEL_CONVENTIONS["bigvgan_24k"].mel, multiplier=2.0, layout="frames_first")
    found = inversion.synthesize(2 * features.transpose(1, 2), mel=scaled, mel_refinement=2)
    torch.testing.assert_close(found, expected)


def test_items_of_a_batch_do_not_depend_on_each_other(inversion: Vocoder) -> None:
    convention = MEL_CONVENTIONS["hifigan_22k"]
    features = convention.analyze(torch.cat([tone(22050), 0.1 * tone(22050)]))
    both = inversion.synthesize(features, mel=convention, mel_refinement=0)
    alone = inversion.synthesize(features[:1], mel=convention, mel_refinement=0)
    torch.testing.assert_close(both[:1], alone, rtol=0, atol=1e-5)


def test_f0_comes_with_the_frames_of_the_features() -> None:
    vocoder = load_vocoder("wavehax-24k")
    convention = MEL_CONVENTIONS["hifigan_22k"]
    features = convention.analyze(tone(22050))
    f0 = torch.full((features.shape[-1],), 220.0)
    waveform = vocoder.synthesize(features, f0, mel=convention, mel_refinement=1)
    assert waveform.shape[-1] == round(features.shape[-1] * 256 * 24000 / 22050)
    with pytest.raises(ShapeError, match="frames"):
        vocoder.synthesize(features, f0[:-1], mel=convention)


def test_what_cannot_be_is_refused(inversion: Vocoder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hifigan_22k"):
        inversion.synthesize(torch.zeros(80, 9), mel="hifigan_22")
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        inversion.synthesize(torch.zeros(80, 9), mel=tmp_path / "none.yaml")
    with pytest.raises(ShapeError, match="80"):
        inversion.synthesize(torch.zeros(90, 9), mel="hifigan_22k")
    with pytest.raises(DataError, match="NaN"):
        inversion.synthesize(torch.full((80, 9), torch.nan), mel="hifigan_22k")
    with pytest.raises(ShapeError, match="mel"):
        inversion.synthesize(audio=tone(24000), mel="hifigan_22k")
    with pytest.raises(ConfigError, match="no mel"):
        load_vocoder("world:24000").synthesize(torch.zeros(80, 9), mel="hifigan_22k")
