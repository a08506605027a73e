"""Mels without F0: it is estimated from the mel, at the times that the model expects."""

import pytest
import torch

from vocoders.core.errors import ConfigError
from vocoders.frontends.f0_config import F0Config
from vocoders.frontends.mel import MelConfig
from vocoders.long_audio import copy_blocks
from vocoders.wavehax import Wavehax, WavehaxConfig

MEL = MelConfig(fmax=12000.0)


def small(alignment: str = "frame_center", **fields) -> Wavehax:
    """Return a small model with random weights and the mel of the shipped one."""
    torch.manual_seed(0)
    f0 = F0Config.from_dict({"f0_min": 55.0, "f0_max": 800.0, "alignment": alignment})
    return Wavehax(WavehaxConfig(mel=MEL, f0=f0, channels=4, num_blocks=1, norm="frame", **fields)).eval()


def rising_tone() -> torch.Tensor:
    """Return a tone (T,) that rises from 150 to 250 Hz in a second."""
    time = torch.arange(24000, dtype=torch.float64) / 24000
    phase = 2 * torch.pi * (150 * time + 50 * time**2)
    return sum(0.1 / k * torch.sin(k * phase) for k in range(1, 20)).float()


def test_f0_is_estimated_where_it_is_missing():
    model = small()
    inputs = model.analyze(rising_tone(), f0_method="mel")
    expected = model.synthesize(inputs["features"], inputs["f0"])
    assert torch.equal(model.synthesize(inputs["features"]), expected)
    assert torch.equal(model.synthesize(audio=rising_tone(), f0_method="mel"), expected)


@pytest.mark.parametrize(("alignment", "offset"), [("frame_center", 0.5), ("frame_start", 0.0)])
def test_estimates_stand_at_the_times_of_the_model(alignment, offset):
    f0 = small(alignment).analyze(rising_tone(), f0_method="mel")["f0"].flatten()[15:85]
    times = (torch.arange(15, 85) + offset) / 100
    # Half a frame is 0.5 Hz.
    assert abs(float((f0 - (150 + 100 * times)).median())) < 2.0


def test_the_tracker_of_synthesis_is_chosen_and_documented():
    audio = rising_tone()
    plain, other = small(), small(synthesis_f0="dio")
    assert plain.fingerprint == other.fingerprint
    dio = plain.analyze(audio, f0_method="dio")["f0"]
    assert torch.equal(other.analyze(audio)["f0"], dio)
    assert torch.equal(plain.analyze(audio)["f0"], other.analyze(audio, f0_method="harvest")["f0"])
    assert not torch.equal(plain.analyze(audio)["f0"], dio)


def test_scaled_f0_is_that_of_the_training_tracker(monkeypatch):
    audio, model = rising_tone(), small(synthesis_f0="mel")
    plain = model.synthesize(audio=audio, f0_method="mel")
    by_harvest = model.synthesize(audio=audio, f0_method="harvest", f0_scale=1.3)
    assert torch.equal(model.synthesize(audio=audio), plain)
    assert torch.equal(model.synthesize(audio=audio, f0_scale=1.3), by_harvest)
    by_mel = model.synthesize(audio=audio, f0_method="mel", f0_scale=1.3)
    assert not torch.equal(by_mel, by_harvest)
    blocks = copy_blocks(model, audio[None].split(7000, dim=1), model.options(f0_scale=1.3))
    assert torch.equal(torch.cat(list(blocks), dim=1), by_harvest[0])
    # Without the package of that tracker the mel has to do.
    monkeypatch.setattr("vocoders.mel_vocoder.has_tracker", lambda method: False)
    assert torch.equal(model.synthesize(audio=audio, f0_scale=1.3), by_mel)


def test_a_tracker_needs_audio():
    model = small()
    with pytest.raises(ConfigError):
        model.synthesize(torch.zeros(100, 20), f0_method="dio")
