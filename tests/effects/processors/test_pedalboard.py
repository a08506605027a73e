"""Effects of pedalboard: what they do, whole files against streams, and what a stream of plugins cannot do."""

import copy
import importlib.util
import io
import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from effects.automation import Automation
from effects.processor_stream import ProcessorStream
from effects.processors import find_processor
from effects.processors.pedalboard import PEDALBOARD
from vocoders.core.errors import ConfigError, MissingExtraError, ShapeError

INSTALLED = importlib.util.find_spec("pedalboard") is not None
needs_pedalboard = pytest.mark.skipif(not INSTALLED, reason="pedalboard is not installed")
EVERY = pytest.mark.parametrize("processor", PEDALBOARD, ids=[processor.name for processor in PEDALBOARD])
LIVE = [processor for processor in PEDALBOARD if processor.has_live_state]
RATE = 44100


def run(name: str, audio: Tensor, **knobs: Any) -> Tensor:
    output, _ = find_processor(f"pedalboard_{name}").process(audio.float().reshape(1, 1, -1), knobs, RATE)
    return output.flatten()


def noise(length: int, channels: int = 1) -> Tensor:
    return torch.rand(channels, length, generator=torch.Generator().manual_seed(0)) - 0.5


def impulse(length: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor(0), length).float()


@needs_pedalboard
@EVERY
def test_a_stream_is_what_pedalboard_makes_of_the_whole(processor: Any) -> None:
    x = noise(RATE)
    values = {knob.name: knob.value_at(torch.tensor(0.6, dtype=torch.float64))[None] for knob in processor.knobs.knobs}
    plugin = processor.make(processor.settings({name: value.numpy() for name, value in values.items()}, 0))
    reference = torch.from_numpy(plugin.process(x.numpy(), RATE))
    state, outputs = None, []
    for block in x[None].split([1, 63, 4096, 2, 10_000, RATE - 14_162], dim=-1):
        output, state = processor.process(block, values, RATE, state)
        outputs.append(output)
    assert torch.equal(torch.cat(outputs, dim=-1)[0], reference)


@needs_pedalboard
@pytest.mark.parametrize("processor", LIVE, ids=[processor.name for processor in LIVE])
@pytest.mark.parametrize("block", [1, 65, 1000])
def test_moving_knobs_are_the_same_in_any_blocks(processor: Any, block: int) -> None:
    audio = noise(3000, channels=2)
    ends = {knob.name: [(0.0, knob.min), (0.05, knob.max)] for knob in processor.knobs.knobs}
    moves = Automation.from_points(processor.knobs, ends)
    whole = ProcessorStream(processor, RATE, None, moves).process(audio)
    stream = ProcessorStream(processor, RATE, None, moves)
    assert torch.equal(torch.cat([stream.process(part) for part in audio.split(block, dim=-1)], dim=-1), whole)
    assert torch.isfinite(whole).all()


@needs_pedalboard
@pytest.mark.parametrize("processor", LIVE, ids=[processor.name for processor in LIVE])
def test_states_go_along_with_one_stream(processor: Any) -> None:
    audio = noise(100)[None]
    start = processor.initial_state(1, 1, RATE)
    first, state = processor.process(audio, None, RATE, start)
    assert torch.equal(processor.process(audio, None, RATE, copy.deepcopy(start))[0], first)
    for save in (copy.copy, copy.deepcopy, lambda state: torch.save(state, io.BytesIO())):
        with pytest.raises(ConfigError, match="copied"):
            save(state)
    with pytest.raises(ConfigError, match="without its plugins"):
        processor.process(audio, None, RATE, dict(state))
    with pytest.raises(ConfigError, match="44100 Hz.* 8000 Hz"):
        processor.process(audio, None, 8000, state)
    with pytest.raises(ShapeError, match="other audio"):
        processor.process(audio.expand(1, 2, -1), None, RATE, state)
    other = next(item for item in LIVE if item is not processor)
    with pytest.raises(ConfigError, match=f"for '{other.name}'"):
        other.process(audio, None, RATE, state)
    processor.process(audio, None, RATE, state)
    with pytest.raises(ConfigError, match=" 100.* 200"):
        processor.process(audio, None, RATE, state)


@needs_pedalboard
def test_curves_follow_their_formulas() -> None:
    x = 2 * noise(1000)[0]
    torch.testing.assert_close(run("distortion", x, drive=12), torch.tanh(10 ** (12 / 20) * x), rtol=0, atol=1e-6)
    limit = 10 ** (-9 / 20)
    torch.testing.assert_close(run("clipping", x, threshold=-9), x.clamp(-limit, limit), rtol=0, atol=1e-6)
    assert (run("bitcrush", x, bits=4) * 16 - (x * 16).round()).abs().max() < 1e-5


@needs_pedalboard
def test_a_steady_level_is_reduced_by_the_ratio_or_gated() -> None:
    steady = torch.full((RATE,), 10 ** (-6 / 20))
    compressed = run("compressor", steady, threshold=-20, ratio=4, release=0.005)
    assert 20 * math.log10(compressed[-1]) == pytest.approx(-20 + 14 / 4, abs=0.05)
    soft = 10 ** (-30 / 20) * torch.sin(2 * torch.pi * 1000 * torch.arange(RATE) / RATE)
    assert run("noise_gate", soft, threshold=-10, ratio=10)[-4410:].abs().max() < 1e-3 * soft.abs().max()
    assert run("limiter", steady, threshold=-20).abs().max() <= 1


@needs_pedalboard
def test_the_ladder_filter_has_its_modes() -> None:
    # In dB per octave, far below and far above the cutoff.
    slopes = {}
    for mode in find_processor("pedalboard_ladder_filter").knobs["mode"].choices:
        x = 1e-3 * impulse(RATE)
        response = torch.fft.rfft(1e3 * run("ladder_filter", x, mode=mode, cutoff=1000, resonance=0, drive=1)).abs()
        slopes[mode] = [20 * math.log10(response[4 * place] / response[2 * place]) for place in (25, 2000)]
    low, high = 0, 1
    assert slopes["lpf24"][high] < slopes["lpf12"][high] < -9
    assert slopes["hpf24"][low] > slopes["hpf12"][low] > 9
    assert slopes["bpf24"][low] > 9
    assert slopes["bpf24"][high] < -9
    assert abs(slopes["lpf24"][low]) < 1


@needs_pedalboard
def test_echoes_repeat_and_rooms_fade() -> None:
    output = run("delay", impulse(5000), time=441.5 / RATE, feedback=0.5, mix=1)
    peaks = torch.nonzero(output.abs() > 1e-3).flatten()
    assert peaks[:3].tolist() == [441, 882, 1323]
    assert (output[peaks[1:3]] / output[peaks[:2]]).tolist() == pytest.approx([0.5, 0.5], abs=1e-3)
    room = run("reverb", impulse(2 * RATE), wet=1, dry=0)
    energies = room.square().split(RATE // 2)
    assert energies[0].sum() > 10 * energies[1].sum() > 100 * energies[3].sum()


@needs_pedalboard
@pytest.mark.parametrize("name", ["chorus", "phaser"])
def test_oscillators_start_with_the_stream(name: str) -> None:
    processor, pulse = find_processor(f"pedalboard_{name}"), impulse(2000)[None, None]
    first, _ = processor.process(pulse, {"rate": 2}, RATE)
    again, _ = processor.process(pulse, {"rate": 2}, RATE)
    assert torch.equal(first, again)
    _, state = processor.process(torch.zeros(1, 1, RATE // 8), {"rate": 2}, RATE)
    later, _ = processor.process(pulse, {"rate": 2}, RATE, state)
    assert not torch.allclose(first, later, atol=1e-2)


def test_listing_imports_nothing() -> None:
    code = "import sys, effects.processors as p; [q.knobs.json_schema() for q in p.PROCESSORS.values()]"
    code += "; print('pedalboard' in sys.modules, [n for n in p.PROCESSORS if n.startswith('pedalboard_')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.startswith("False [")
    assert found.count("pedalboard_") == len(PEDALBOARD) == 11


@EVERY
def test_what_is_not_installed_is_named(processor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pedalboard", None)
    assert not processor.is_available
    wanted = rf"effect '{processor.name}' needs pedalboard, which is not installed; pip install 'ondes\[pedalboard\]'"
    with pytest.raises(MissingExtraError, match=wanted):
        processor.process(torch.zeros(1, 1, 10), None, RATE)
    with pytest.raises(MissingExtraError, match=wanted):
        ProcessorStream(processor, RATE)
