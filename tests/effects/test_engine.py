"""The engine: the same bits for any blocks, exact latency, and everything a host may ask for."""

import logging
import math

import pytest
import torch
from effect_cases import CONFIGS, KNOBS, make_audio, make_model
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import effects
from effects.automation import Automation
from effects.engine import DEFAULT_HOP, Engine, render
from effects.models import EffectModel
from effects.models.recurrent import VARIANTS as RECURRENT
from effects.models.recurrent import Recurrent
from effects.models.tcn import TCN, TCNConfig
from vocoders.core.errors import CheckpointError, ConfigError, DataError, ShapeError

RATE = 44100
LENGTH = 6000
BLOCKS = [1, 7, 64, 333, 4096, LENGTH]
# What moves while the stream runs: a knob in straight lines and a switch.
MOVES = Automation.from_points(KNOBS, {"drive": [(0.01, 0.1), (0.08, 0.9)], "mode": [(0, 0), (0.05, 1)]})


def sound(channels: int = 2, length: int = LENGTH, rate: int = RATE) -> Tensor:
    """Tones below the band's edge at every rate, faded in and out."""
    time = torch.arange(length, dtype=torch.float64) / rate
    rows = [torch.sin(2 * torch.pi * (300 + 170 * row) * time + row) for row in range(channels)]
    return (0.6 * torch.stack(rows) * torch.sin(torch.pi * torch.arange(length) / length).square()).float()


def stream(engine: Engine, audio: Tensor, block: int) -> Tensor:
    """Play ``audio`` in blocks, then silence for as long as the engine is late; return what belongs to ``audio``."""
    padded = torch.nn.functional.pad(audio, (0, engine.latency_samples))
    output = torch.cat([engine.process(part) for part in padded.split(block, dim=-1)], dim=-1)
    return output[..., engine.latency_samples :]


def in_precision(name: str) -> EffectModel:
    return make_model(name, torch.float32)


@pytest.mark.parametrize("name", ["tcn_gain", "tcn_official", "tcn_stereo", "lstm", "gru_deep", "signaltrain"])
@pytest.mark.parametrize("block", BLOCKS)
def test_hops_give_the_same_bits_for_any_block(name: str, block: int) -> None:
    model, audio = in_precision(name), sound()
    hop = 2 * model.block_length if model.block_length > 1 else 96
    whole = render(model, audio, settings={"drive": 0.2}, automation=MOVES, hop=hop)
    engine = Engine(model, settings={"drive": 0.2}, automation=MOVES, hop=hop)
    assert torch.equal(stream(engine, audio, block), whole)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_published_sizes_give_the_same_bits_for_any_block(block: int) -> None:
    torch.manual_seed(0)
    audio = sound(1, 4200)
    for model in (TCN(TCNConfig(head="gain")).eval(), Recurrent(RECURRENT["lstm_32"]).eval()):
        assert torch.equal(stream(Engine(model), audio, block), render(model, audio))


@pytest.mark.parametrize("name", ["tcn_gain", "lstm_film_gain"])
@settings(max_examples=12)
@given(st.lists(st.integers(0, 900), max_size=8), st.sampled_from([44100, 48000]))
def test_hops_give_the_same_bits_for_any_division(name: str, lengths: list[int], rate: int) -> None:
    model, audio = in_precision(name), sound(1, 2500)
    whole = render(model, audio, rate, automation=MOVES)
    engine = Engine(model, rate, automation=MOVES)
    padded = torch.nn.functional.pad(audio, (0, engine.latency_samples))
    parts, start = [], 0
    for length in [*lengths, padded.shape[-1]]:
        parts.append(engine.process(padded[..., start : start + length]))
        start += length
    assert torch.equal(torch.cat(parts, dim=-1)[..., engine.latency_samples :], whole)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "signaltrain" and len(CONFIGS[name].knobs)])
@pytest.mark.parametrize("block", [1, 333, LENGTH])
def test_zero_latency_equals_the_hops_within_a_millionth(name: str, block: int) -> None:
    model, audio = in_precision(name), sound(length=1500)
    engine = Engine(model, automation=MOVES, zero_latency=True)
    assert engine.latency_samples == model.latency
    whole = render(model, audio, automation=MOVES)
    # Random weights make some outputs louder than full scale.
    peak = max(1.0, float(whole.abs().max()))
    torch.testing.assert_close(stream(engine, audio, block), whole, rtol=0, atol=1e-6 * peak)
    model = model.double()
    engine = Engine(model, automation=MOVES, zero_latency=True)
    whole = render(model, audio.double(), automation=MOVES)
    torch.testing.assert_close(stream(engine, audio.double(), block), whole, rtol=0, atol=1e-12 * peak)


@torch.no_grad()
@pytest.mark.parametrize("name", ["tcn", "tcn_official", "tcn_noncausal_gain", "lstm", "signaltrain"])
def test_rendering_is_the_model_itself_without_its_latency(name: str) -> None:
    model = make_model(name)
    unit = model.block_length
    audio = make_audio(model, 40 * unit, batch=3)
    values = model.knobs.values({"drive": 0.8, "mode": "on"})
    padded = torch.nn.functional.pad(audio, (0, -(-model.latency // unit) * unit))
    direct, _ = model(padded, model.knobs.normalize(values).expand(3, -1))
    direct = direct[..., model.latency :][..., : audio.shape[-1]]
    rendered = render(model, audio, settings={"drive": 0.8, "mode": "on"})
    torch.testing.assert_close(rendered, direct, rtol=0, atol=1e-12)


def identity(latency: int = 0) -> EffectModel:
    """Return a model whose gain is one, which is ``latency`` samples late on purpose."""
    config = TCNConfig(channels=2, num_blocks=1, kernel_size=2 * latency + 3, head="gain", causal=latency == 0)
    model = TCN(config.model_copy(update={"knobs": KNOBS}))
    with torch.no_grad():
        model.projection.weight.zero_()
    return model


@pytest.mark.parametrize("block", [1, 5, 96, 256, 300, 512, 1024])
@pytest.mark.parametrize("late", [0, 4])
def test_a_promised_block_saves_latency_and_what_is_left_is_needed(block: int, late: int) -> None:
    model = identity(late)
    engine = Engine(model, block=block)
    own = model.latency
    assert engine.latency_samples == own + DEFAULT_HOP - math.gcd(DEFAULT_HOP, block)
    audio = sound(1, 3 * 1024)
    # With one sample less there would be a block that is not ready: the output is exactly as late as declared.
    output = torch.cat([engine.process(part) for part in audio.split(block, dim=-1) if part.shape[-1] == block], dim=-1)
    latency = engine.latency_samples
    assert torch.equal(output[..., latency:], audio[..., : output.shape[-1] - latency])
    assert engine._stages._output.shape[-1] <= latency + DEFAULT_HOP


def test_a_broken_promise_is_an_error() -> None:
    engine = Engine(identity(), block=DEFAULT_HOP)
    assert engine.latency_samples == 0
    with pytest.raises(ShapeError, match="multiple of 256 samples"):
        engine.process(sound(1, 100))


@pytest.mark.parametrize("rate", [8000, 22050, 48000, 96000, 192000])
@pytest.mark.parametrize("mode", [{}, {"hop": 64}, {"zero_latency": True}])
def test_a_foreign_rate_keeps_length_place_and_level(rate: int, mode: dict) -> None:
    audio = sound(2, rate // 5, rate)
    model = identity()
    output = render(model, audio, rate, **mode)
    assert output.shape == audio.shape
    assert 20 * math.log10((output - audio).abs().max()) < -80
    engine = Engine(model, rate, **mode)
    assert engine.latency_samples > 0
    torch.testing.assert_close(stream(engine, audio, 333), output, rtol=0, atol=1e-6 if "zero_latency" in mode else 0)


@pytest.mark.parametrize("name", ["tcn_official", "tcn_noncausal", "signaltrain"])
def test_a_foreign_rate_streams_models_that_are_late_or_work_in_blocks(name: str) -> None:
    model, audio = in_precision(name), sound(1, 3000, 48000)
    whole = render(model, audio, 48000)
    assert whole.shape == audio.shape
    assert torch.equal(stream(Engine(model, 48000), audio, 129), whole)


def test_a_foreign_rate_is_the_models_rate_with_resampling_around_it() -> None:
    # The same sound at two rates: what comes out is the same sound, and knobs move at the same time.
    model = in_precision("lstm_film_gain")
    with torch.no_grad():
        model.projection.weight.mul_(0.2)
    own = render(model, sound(1, 8820, 44100), 44100, automation=MOVES)
    foreign = render(model, sound(1, 17640, 88200), 88200, automation=MOVES)
    inner = slice(500, -500)
    torch.testing.assert_close(foreign[..., ::2][..., inner], own[..., inner], rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", ["tcn_official_gain", "gru_deep", "signaltrain"])
@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_saved_stream_goes_on_elsewhere(name: str, rate: int) -> None:
    model, audio = in_precision(name), sound(length=3000)
    options = {"hop": 2 * model.block_length} if model.block_length > 1 else {}
    moves = Automation({"drive": MOVES.curves["drive"]})

    def start(**settings: float) -> Engine:
        return Engine(model, rate, settings, moves, **options)

    engine = start()
    first = engine.process(audio[..., :1111])
    engine.set_knobs({"mode": "on"})
    state = engine.save_state()
    assert all(isinstance(tensor, Tensor) for tensor in state.values())
    kept = {key: tensor.clone() for key, tensor in state.items()}
    rest = engine.process(audio[..., 1111:])
    other = start()
    other.process(sound(1, 50))
    other.load_state(state)
    assert torch.equal(other.process(audio[..., 1111:]), rest)
    other.load_state(state)
    assert torch.equal(other.process(audio[..., 1111:]), rest)
    assert all(torch.equal(state[key], kept[key]) for key in kept)
    engine.reset()
    again = engine.process(audio[..., :1111])
    assert torch.equal(again, start(mode=1).process(audio[..., :1111]))
    assert not torch.equal(again, first)


def test_reset_goes_back_to_silence() -> None:
    engine, audio = Engine(in_precision("lstm")), sound(1, 1000)
    first = engine.process(audio)
    assert not torch.equal(engine.process(audio), first)
    engine.reset()
    assert torch.equal(engine.process(audio), first)


def test_states_of_other_engines_are_refused() -> None:
    engine = Engine(in_precision("lstm"))
    with pytest.raises(ConfigError, match="not begun"):
        engine.save_state()
    engine.process(sound(1, 300))
    state = engine.save_state()
    with pytest.raises(CheckpointError, match="rate.* hop, block"):
        Engine(in_precision("lstm"), hop=64).load_state(state)
    with pytest.raises(CheckpointError, match="no engine"):
        engine.load_state({})
    incomplete = {key: tensor for key, tensor in state.items() if key != "model.cell"}
    with pytest.raises(CheckpointError, match=r"incomplete: .*model\.cell"):
        engine.load_state(incomplete)
    other = state | {"model.hidden": state["model.hidden"][..., :-1]}
    with pytest.raises(CheckpointError, match=r"hidden.* \(.*\).* \(.*\)"):
        engine.load_state(other)


def test_dual_channels_are_monos() -> None:
    for name in ("tcn", "lstm", "signaltrain"):
        model, audio = in_precision(name), sound(8, 1000)
        together = render(model, audio)
        alone = torch.cat([render(model, channel) for channel in audio.split(1)])
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


def test_linked_channels_keep_their_balance_and_dual_ones_do_not() -> None:
    model = in_precision("tcn_gain")
    with torch.no_grad():
        model.head.alpha.zero_()
    audio = torch.cat([sound(1), 0.25 * sound(2)[1:]])
    left, right = render(model, audio, stereo="linked")
    torch.testing.assert_close(left * audio[1], right * audio[0], rtol=0, atol=1e-6)
    left, right = render(model, audio, stereo="dual")
    assert (left * audio[1] - right * audio[0]).abs().max() > 1e-4
    mono = render(model, audio[:1], stereo="linked")
    torch.testing.assert_close(mono, render(model, audio[:1]), rtol=0, atol=1e-6)


def test_knobs_are_turned_from_the_next_sample_on_and_without_clicks() -> None:
    model, audio = in_precision("lstm_film_gain"), sound(1, 8000)
    engine = Engine(model, settings={"drive": 0})
    before = render(model, audio, settings={"drive": 0})
    after = render(model, audio, settings={"drive": 1})
    parts = [engine.process(audio[..., :3000])]
    engine.set_knobs({"drive": 1})
    padded = torch.nn.functional.pad(audio[..., 3000:], (0, engine.latency_samples))
    output = torch.cat([*parts, engine.process(padded)], dim=-1)[..., engine.latency_samples :]
    # From the first control point behind sample 3000 on.
    torch.testing.assert_close(output[..., :3008], before[..., :3008], rtol=0, atol=1e-6)
    assert (output - before)[..., 3008:3100].abs().max() > 1e-3
    # Five time constants later it has almost arrived.
    torch.testing.assert_close(output[..., -500:], after[..., -500:], rtol=0, atol=1e-3)
    jump = (output - before)[..., 2990:3100].diff(dim=-1).abs().max()
    assert jump < 0.1 * (after - before).abs().max()


def test_constant_automation_is_a_constant_knob() -> None:
    model, audio = in_precision("tcn_gain"), sound()
    constant = Automation.from_points(KNOBS, {"drive": [(0, 0.7)]})
    assert torch.equal(render(model, audio, automation=constant), render(model, audio, settings={"drive": 0.7}))


def test_automation_that_ends_early_is_held_and_said(caplog: pytest.LogCaptureFixture) -> None:
    model, audio = in_precision("tcn_gain"), sound(1, 30_000)
    short = Automation.from_points(KNOBS, {"drive": [(0, 0.1), (0.05, 0.9)]})
    with caplog.at_level(logging.WARNING):
        output = render(model, audio, automation=short)
    assert caplog.messages == ["the automation ends at 0.050 s of 0.680 s; its last values are held"]
    held = render(model, audio, settings={"drive": 0.9})
    torch.testing.assert_close(output[..., -2000:], held[..., -2000:], rtol=0, atol=1e-5)
    caplog.clear()
    render(model, sound(1, 2205), automation=short)
    assert not caplog.messages


def test_mix_is_between_the_input_and_the_effect() -> None:
    model, audio = in_precision("lstm"), sound()
    wet = render(model, audio)
    assert torch.equal(render(model, audio, mix=0), audio)
    torch.testing.assert_close(render(model, audio, mix=0.25), 0.25 * wet + 0.75 * audio)
    with pytest.raises(ConfigError, match="mix 1.5"):
        render(model, audio, mix=1.5)


@pytest.mark.parametrize("length", [0, 1, 2])
@pytest.mark.parametrize("rate", [44100, 48000])
def test_tiny_recordings_keep_their_length(length: int, rate: int) -> None:
    for name in ("tcn_noncausal", "lstm", "signaltrain"):
        output = render(in_precision(name), sound(2, 10)[:, :length], rate)
        assert output.shape == (2, length)


def test_types_shapes_and_progress_are_kept() -> None:
    model, seen = in_precision("lstm"), []
    audio = sound(2, 70_000)[None].expand(2, -1, -1).double()
    output = render(model, audio, progress=seen.append)
    assert (output.shape, output.dtype) == (audio.shape, torch.float64)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("lstm", {"hop": 0}, "hop of 0 samples"),
        ("signaltrain", {"hop": 50}, "positive multiple of 40"),
        ("signaltrain", {"zero_latency": True}, " 40 samples"),
        ("lstm", {"zero_latency": True, "hop": 64}, " hop "),
        ("lstm", {"block": 0}, "blocks of 0; expected positive"),
        ("lstm", {"sample_rate": 0}, "0 Hz"),
        ("lstm", {"stereo": "ms"}, "'ms'.* dual, linked"),
        ("lstm", {"stereo": "linked"}, "gain head.* 'dual'"),
        ("lstm", {"settings": {"driver": 1}}, "'driver'.* 'drive'"),
        ("tcn_without_knobs", {"automation": MOVES}, "'drive'.* no knobs"),
    ],
)
def test_impossible_engines_are_refused(name: str, options: dict, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Engine(in_precision(name), **options)


def test_impossible_audio_is_refused() -> None:
    engine, audio = Engine(in_precision("lstm")), sound(2, 100)
    with pytest.raises(DataError, match="NaN"):
        engine.process(audio / 0)
    with pytest.raises(ShapeError, match=r"expected \(C, T\) or \(B, C, T\)"):
        engine.process(audio[0])
    with pytest.raises(ShapeError, match="expected floating point"):
        engine.process(audio.short())
    engine.process(audio)
    with pytest.raises(ShapeError, match="1 channels.* 2"):
        engine.process(audio[:1])
    with pytest.raises(ConfigError, match="1 channels.* 2"):
        Engine(in_precision("tcn_stereo")).process(audio[:1])
    # What was refused has left no trace.
    fresh = Engine(in_precision("lstm"))
    fresh.process(audio)
    assert torch.equal(engine.process(audio), fresh.process(audio))


def test_the_package_offers_the_engine() -> None:
    assert effects.render is render
    assert effects.Engine is Engine
    with pytest.raises(AttributeError, match="no_such_name"):
        effects.no_such_name  # noqa: B018
