"""Recordings in blocks, and ground-truth effects as streams."""

import pytest
import torch
from effect_cases import KNOBS, make_model

from effects.automation import CONTROL_PERIOD, Automation
from effects.engine import Engine, render
from effects.processor_stream import ProcessorStream
from effects.processors import find_processor
from effects.rendering import render_blocks
from vocoders.core.errors import ConfigError, ShapeError

RATE = 44100
LENGTH = 3000
MOVES = Automation.from_points(KNOBS, {"drive": [(0.01, 0.1), (0.05, 0.9)], "mode": [(0, 0), (0.03, 1)]})
COMP = find_processor("comp_4c")
TURNS = Automation.from_points(COMP.knobs, {"threshold": [(0.0, -30), (0.05, 0)]})


def noise(length: int = LENGTH, channels: int = 2) -> torch.Tensor:
    return torch.rand(channels, length, generator=torch.Generator().manual_seed(3)) * 1.6 - 0.8


def joined(stream, audio: torch.Tensor, block: int, mix: float = 1.0) -> torch.Tensor:
    return torch.cat(list(render_blocks(stream, audio.split(block, dim=-1), mix)), dim=-1)


@pytest.mark.parametrize("name", ["tcn_gain", "tcn_noncausal", "lstm", "signaltrain"])
@pytest.mark.parametrize("rate", [44100, 48000, 22050])
@pytest.mark.parametrize("block", [1, 64, 333, LENGTH])
def test_blocks_are_the_rendering_of_the_whole(name: str, rate: int, block: int) -> None:
    model, audio = make_model(name, torch.float32), noise(LENGTH if block > 1 else 700)
    for mix in (1.0, 0.3):
        whole = render(model, audio, rate, {"drive": 0.2}, MOVES, mix=mix)
        assert torch.equal(joined(Engine(model, rate, {"drive": 0.2}, MOVES), audio, block, mix), whole)


@pytest.mark.parametrize("length", [1, 2, 255, 256, 257])
def test_recordings_shorter_than_the_latency(length: int) -> None:
    model, audio = make_model("tcn_noncausal", torch.float32), noise(length)
    assert torch.equal(joined(Engine(model), audio, 7), render(model, audio))


def test_dry_mix_is_the_input_and_nothing_is_nothing() -> None:
    model, audio = make_model("lstm", torch.float32), noise()
    assert torch.equal(joined(Engine(model), audio, 100, mix=0.0), audio)
    assert list(render_blocks(Engine(model), [])) == []
    for mix in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="expected 0"):
            list(render_blocks(Engine(model), [audio], mix))


@pytest.mark.parametrize("block", [1, 7, CONTROL_PERIOD, 333, LENGTH])
@pytest.mark.parametrize("automation", [None, TURNS])
def test_ground_truth_is_the_same_in_any_blocks(block: int, automation: Automation | None) -> None:
    audio = noise()
    whole = joined(ProcessorStream(COMP, RATE, {"ratio": 5}, automation), audio, LENGTH)
    assert torch.equal(joined(ProcessorStream(COMP, RATE, {"ratio": 5}, automation), audio, block), whole)


def test_ground_truth_is_the_processor_and_follows_moving_knobs() -> None:
    audio = noise()
    still = joined(ProcessorStream(COMP, RATE, {"ratio": 5, "threshold": -30}), audio, 500)
    expected, _ = COMP.process(audio[None], {"ratio": 5, "threshold": -30}, RATE)
    assert torch.equal(still, expected[0])
    constant = Automation.from_points(COMP.knobs, {"threshold": [(0, -30)]})
    held = joined(ProcessorStream(COMP, RATE, {"ratio": 5}, constant), audio, 500)
    torch.testing.assert_close(held, still, rtol=0, atol=1e-6)
    moved = joined(ProcessorStream(COMP, RATE, {"ratio": 5}, TURNS), audio, 500)
    # The threshold rises from where the still one stands to 0 dB: less and less is taken away.
    reduction = (still.abs() / moved.abs().clamp(min=1e-9))[audio.abs() > 0.3]
    assert reduction.max() <= 1 + 1e-6
    assert reduction.min() < 0.9
    assert (moved[:, -200:].abs() / audio[:, -200:].abs()).median() > 0.9


def test_ground_truth_refuses_other_knobs_and_channels() -> None:
    with pytest.raises(ConfigError, match="unknown knob 'drive'"):
        ProcessorStream(COMP, RATE, None, MOVES)
    with pytest.raises(ConfigError, match="unknown knob 'drive'"):
        ProcessorStream(COMP, RATE, {"drive": 1})
    stream = ProcessorStream(COMP, RATE)
    stream.process(noise())
    with pytest.raises(ShapeError, match="other audio"):
        stream.process(noise(channels=1))
    with pytest.raises(ShapeError, match="expected"):
        stream.process(torch.zeros(5))
