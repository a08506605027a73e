"""Analysis in streams: the mel of the whole audio, and F0 from the past, whatever the pieces."""

import numpy as np
import pytest
import torch
from torch import Tensor

from vocoders.core.errors import ConfigError, DataError, ShapeError
from vocoders.frontends.analysis_stream import AnalysisStream
from vocoders.frontends.causal_f0 import CausalF0
from vocoders.frontends.f0 import F0Config
from vocoders.frontends.front_end import FrontEnd
from vocoders.frontends.mel import MEL_PRESETS, LogMel

RATE, HOP = 24000, 240


def sawtooth(f0: float, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    phase = np.arange(round(seconds * rate)) * f0 / rate
    return np.sum([np.sin(2 * np.pi * k * phase) / k for k in range(1, int(3000 / f0) + 1)], axis=0) / 4


def track(audio: np.ndarray, low: float = 55, high: float = 800) -> np.ndarray:
    tracker = CausalF0(RATE, HOP, low, high)
    frames = np.lib.stride_tricks.sliding_window_view(audio, tracker.width)[::HOP]
    return tracker.track(frames)


@pytest.mark.parametrize("f0", [60, 101.3, 220, 349.7, 700])
def test_a_periodic_signal_has_its_f0(f0: float) -> None:
    found = track(sawtooth(f0))
    assert np.abs(1200 * np.log2(found / f0)).max() < 25


def test_silence_and_noise_are_unvoiced() -> None:
    assert not track(np.zeros(RATE // 2)).any()
    noise = np.random.default_rng(0).standard_normal(RATE // 2)
    assert (track(0.1 * noise) > 0).mean() < 0.1
    assert not track(np.concatenate([sawtooth(200), 1e-4 * noise]))[-20:].any()


def test_a_step_of_f0_is_followed_within_a_window() -> None:
    found = track(np.concatenate([sawtooth(120, 0.4), sawtooth(240, 0.4)]))
    settled = np.concatenate([found[:30], found[45:]])
    wanted = np.where(np.arange(settled.size) < 30, 120, 240)
    assert np.abs(np.log2(settled / wanted)).max() < 0.05


@pytest.mark.parametrize(("low", "high"), [(800, 55), (55, RATE), (0, 400)])
def test_impossible_ranges_are_refused(low: float, high: float) -> None:
    with pytest.raises(ConfigError):
        CausalF0(RATE, HOP, low, high)


def run(stream: AnalysisStream, audio: Tensor, size: int) -> dict[str, Tensor]:
    parts = [stream.push(audio[..., i : i + size]) for i in range(0, audio.shape[-1], size)] + [stream.finish()]
    return {name: torch.cat([part[name] for part in parts], dim=-1) for name in parts[0]}


@pytest.mark.parametrize("preset", ["wavehax_24k", "bigvgan_24k", "vocos_24k"])
def test_the_mel_is_that_of_the_whole_audio(preset: str) -> None:
    mel = MEL_PRESETS[preset]
    audio = torch.from_numpy(sawtooth(150, 0.4)).float() + 0.01 * torch.randn(9600)
    audio = audio[: 9600 // mel.hop_length * mel.hop_length]
    front_end = FrontEnd(sample_rate=RATE, mel=mel)
    streams = [run(AnalysisStream(front_end), audio, size)["features"] for size in (100, 977, 9600)]
    assert all(torch.equal(streams[0], other) for other in streams)
    torch.testing.assert_close(streams[0], LogMel(mel)(audio[None]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("alignment", ["frame_start", "frame_center"])
def test_f0_comes_with_the_mel_at_the_stated_latency(alignment: str) -> None:
    front_end = FrontEnd(sample_rate=RATE, mel=MEL_PRESETS["wavehax_24k"], f0=F0Config(alignment=alignment))
    audio = torch.from_numpy(np.stack([sawtooth(150, 0.4), sawtooth(310, 0.4)])).float()
    first, second = (run(AnalysisStream(front_end, 2), audio, size) for size in (77, 5000))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["features"].shape[-1] == first["f0"].shape[-1] == audio.shape[-1] // HOP
    inner = first["f0"][:, 0, 5:-5]
    assert (inner - torch.tensor([[150.0], [310.0]])).abs().max() < 5
    stream, frames, latest = AnalysisStream(front_end, 2), 0, 0
    for sample in range(0, audio.shape[-1], 10):
        before = frames
        frames += stream.push(audio[:, sample : sample + 10])["f0"].shape[-1]
        if frames > before:
            latest = max(latest, sample + 10 - frames * HOP)
    assert stream.latency <= latest < stream.latency + 10


def test_bad_audio_leaves_the_stream_unharmed() -> None:
    front_end = FrontEnd(sample_rate=RATE, mel=MEL_PRESETS["wavehax_24k"], f0=F0Config())
    audio = torch.from_numpy(sawtooth(150, 0.2)).float()
    expected, stream = run(AnalysisStream(front_end), audio, 1000), AnalysisStream(front_end)
    parts = [stream.push(audio[:1000])]
    for bad, error in ((torch.full((500,), torch.nan), DataError), (torch.zeros(2, 500), ShapeError)):
        with pytest.raises(error):
            stream.push(bad)
    parts += [stream.push(audio[1000:]), stream.push(audio[:0]), stream.finish()]
    assert torch.equal(torch.cat([part["f0"] for part in parts], dim=-1), expected["f0"])
    with pytest.raises(ShapeError):
        stream.push(audio)
    with pytest.raises(ConfigError):
        AnalysisStream(FrontEnd(sample_rate=RATE))
