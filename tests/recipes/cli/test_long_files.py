"""Long files: part by part, with the audio of the whole."""

import numpy as np
import pytest
import torch

from recipes.cli import long_synthesis
from vocoders import long_audio
from vocoders.core.audio import read_audio, write_audio
from vocoders.frontends.f0 import F0Config
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.model import Wavehax


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A folder of a small model; everything above half a second is long."""
    monkeypatch.setattr(long_synthesis, "_LONG_SECONDS", 0.5)
    for name in ("_PART_SECONDS", "_CONTEXT_SECONDS", "_CHUNK_SECONDS"):
        monkeypatch.setattr(long_audio, name, 0.25)
    torch.manual_seed(0)
    sizes = {"channels": 4, "kernel_size": (3, 3), "num_blocks": 1, "norm": "frame"}
    Wavehax(WavehaxConfig(**sizes, f0=F0Config(method="dio"))).save_pretrained(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "model"


@pytest.fixture
def audio(model):
    time = torch.arange(44101) / 24000
    tone = torch.stack([0.2 * torch.sin(2 * torch.pi * pitch * time) for pitch in (150, 200)])
    write_audio("long.wav", tone, 24000)
    return read_audio("long.wav")[0]


def test_long_audio_keeps_length_and_channels(ondes, model, audio):
    run = ondes("synth", "long.wav", "-o", "out.wav", "-m", model, "--json")
    assert run.code == 0, run.err
    made, rate = read_audio("out.wav")
    assert (made.shape, rate) == (audio.shape, 24000)
    assert '"channels": 2' in run.out
    whole = Wavehax.from_pretrained(model).eval().copy_synthesis(audio[0])[0]
    assert (made[:1] - whole.clamp(-1, 1)).abs().max() < 0.02 * whole.abs().max() + 1e-3


def test_long_audio_at_another_rate(ondes, model):
    write_audio("other.wav", 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0)), 16000)
    assert ondes("synth", "other.wav", "-o", "o", "-m", model, "--resample").code == 0
    assert read_audio("o/other.wav")[0].shape == (1, 24000)


def test_long_features(ondes, model, audio):
    analysed = Wavehax.from_pretrained(model).analyze(audio[0])
    np.savez("long.npz", features=analysed["features"][0].numpy(), f0=analysed["f0"][0, 0].numpy())
    run = ondes("synth", "long.npz", "-o", "out.wav", "-m", model)
    assert run.code == 0, run.err
    whole = Wavehax.from_pretrained(model).synthesize(**analysed)[0]
    assert (read_audio("out.wav")[0] - whole.clamp(-1, 1)).abs().max() < 1e-3


def test_long_silence_is_told_and_systems_without_streams_work(ondes, model):
    write_audio("silent.wav", torch.zeros(1, 24000), 24000)
    run = ondes("synth", "silent.wav", "-o", "out.wav", "-m", model)
    assert run.code == 0
    assert "silent.wav is silent" in run.err
    assert ondes("synth", "silent.wav", "-o", "out", "-m", "world:24000").code == 0
