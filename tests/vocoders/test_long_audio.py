"""Audio in parts: the numbers of the whole, whatever the blocks, in constant memory."""

import pytest
import torch

from vocoders import long_audio
from vocoders.core.audio import resample, resample_blocks
from vocoders.core.errors import ConfigError
from vocoders.frontends import mel
from vocoders.frontends.f0 import F0Config
from vocoders.frontends.mel import MEL_PRESETS, LogMel
from vocoders.long_audio import analyze_blocks, copy_blocks
from vocoders.registry import load_vocoder
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.model import Wavehax


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"_PART_SECONDS": 0.3, "_CONTEXT_SECONDS": 0.2, "_CHUNK_SECONDS": 0.25}.items():
        monkeypatch.setattr(long_audio, name, seconds)


@pytest.fixture(scope="module")
def model() -> Wavehax:
    torch.manual_seed(0)
    sizes = {"channels": 8, "kernel_size": (5, 5), "num_blocks": 2, "norm": "frame", "mel_refinement": 2}
    return Wavehax(WavehaxConfig(**sizes, f0=F0Config(method="dio"))).eval()


def _tone(length: int, channels: int = 1) -> torch.Tensor:
    time = torch.arange(length) / 24000
    swell = 0.5 + 0.5 * torch.sin(6 * time)
    tone = sum(torch.sin(2 * torch.pi * 150 * k * time) / k for k in range(1, 9))
    noise = torch.randn(channels, length, generator=torch.Generator().manual_seed(2))
    return 0.1 * swell * tone + 0.003 * noise


@pytest.mark.parametrize("size", [1000, 7777, 48100])
def test_the_analysis_in_parts_is_that_of_the_whole(model, short_parts, size):
    audio = _tone(48100)
    whole = model.analyze(torch.nn.functional.pad(audio, (0, -48100 % 240)))
    parts = list(analyze_blocks(model, audio.split(size, dim=-1)))
    assert len(parts) > 3
    features, f0 = (torch.cat([part[name] for part in parts], dim=-1) for name in ("features", "f0"))
    assert torch.allclose(features, whole["features"], atol=1e-5)
    voiced = (f0 > 0) == (whole["f0"] > 0)
    assert voiced.float().mean() > 0.95
    assert (f0 - whole["f0"])[voiced].abs().max() < 1


def test_the_copy_in_parts_is_that_of_the_whole(model, short_parts):
    audio = _tone(48100, channels=2)
    parts = list(copy_blocks(model, audio.split(5000, dim=-1), seed=4))
    assert len(parts) > 3
    joined = torch.cat(parts, dim=-1)
    assert joined.shape == audio.shape
    inputs = {name: torch.cat([p[name] for p in analyze_blocks(model, [audio])], dim=-1) for name in ("features", "f0")}
    for channel in range(2):
        one = {name: value[channel : channel + 1] for name, value in inputs.items()}
        whole = model.synthesize(**one, seed=4)[0, 0, :48100]
        assert (joined[channel] - whole).abs().max() < 1e-4 * whole.abs().max()


def test_a_system_without_streams_says_so(short_parts):
    with pytest.raises(ConfigError, match="no stream"):
        list(copy_blocks(load_vocoder("griffin-lim"), [_tone(24000)]))


@pytest.mark.parametrize(("before", "after"), [(44100, 24000), (16000, 24000), (24000, 24000)])
def test_blocks_are_resampled_like_the_whole(before, after):
    audio = _tone(20011, channels=2)
    joined = torch.cat(list(resample_blocks(audio.split(3000, dim=-1), before, after)), dim=-1)
    assert torch.equal(joined, resample(audio, before, after))


@pytest.mark.parametrize("preset", ["wavehax_24k", "hifigan_22k", "vocos_24k", "espnet_24k"])
def test_a_mel_of_long_audio_is_computed_in_parts(preset, monkeypatch):
    log_mel, audio = LogMel(MEL_PRESETS[preset]), _tone(30000, channels=2)
    whole = log_mel(audio)
    monkeypatch.setattr(mel, "_CHUNK_FRAMES", 17)
    assert torch.allclose(log_mel(audio), whole, atol=1e-5)
