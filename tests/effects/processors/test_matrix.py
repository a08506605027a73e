"""What every ground-truth effect must do, whichever it is."""

import inspect
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from effects.knobs import Knob
from effects.processors import PROCESSORS, Processor, find_processor
from vocoders.core.errors import ConfigError, DataError, ShapeError

LISTED = pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)
EVERY = pytest.mark.parametrize(
    "processor",
    [
        pytest.param(
            processor,
            id=name,
            marks=pytest.mark.skipif(not processor.is_available, reason=f"{processor.package} is not installed"),
        )
        for name, processor in PROCESSORS.items()
    ],
)
RATE = 44100
LENGTH = 1000
WITHOUT_NEUTRAL = {
    "lowpass",
    "biquad_lowpass",
    "biquad_highpass",
    "biquad_bandpass",
    "biquad_notch",
    "biquad_allpass",
    "band",
    "cubic_overdrive",
    "contrast",
    "pedalboard_limiter",
    "pedalboard_distortion",
    "pedalboard_bitcrush",
    "pedalboard_ladder_filter",
}


def music(batch: int = 2, channels: int = 2, length: int = LENGTH, dtype: torch.dtype = torch.float64) -> Tensor:
    """Decaying tones and noise, within full scale, different in every channel."""
    time = torch.arange(length, dtype=torch.float64) / RATE
    tones = [torch.sin(2 * torch.pi * (110 + 95 * row) * time) for row in range(batch * channels)]
    noise = torch.rand(batch * channels, length, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.5
    sound = (torch.stack(tones) * 0.7 + 0.5 * noise) * torch.exp(-20 * time)
    return sound.clamp(-1, 1).reshape(batch, channels, length).to(dtype)


def corners(processor: Processor) -> list[dict[str, float]]:
    ends = [(knob.min, knob.max) for knob in processor.knobs.knobs]
    return [dict(zip(processor.knobs.names, values, strict=True)) for values in itertools.product(*ends)]


def in_blocks(processor: Processor, audio: Tensor, knobs: dict, lengths: list[int]) -> Tensor:
    state, blocks, start = None, [], 0
    for length in lengths:
        block, state = processor.process(audio[..., start : start + length], knobs, RATE, state)
        blocks.append(block)
        start += length
    assert start >= audio.shape[-1]
    return torch.cat(blocks, dim=-1)


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_type_stay_and_the_effect_is_heard(processor: Processor, dtype: torch.dtype) -> None:
    audio = music(dtype=dtype)
    output, _ = processor.process(audio, None, RATE)
    assert (output.shape, output.dtype) == (audio.shape, dtype)
    assert (output - audio).abs().max() > 1e-3


@EVERY
def test_the_neutral_setting_is_the_identity(processor: Processor) -> None:
    audio = torch.cat([music(), torch.full((2, 2, 50), 1.0), torch.full((2, 2, 50), -1.0), torch.zeros(2, 2, 50)], -1)
    # Plugins compute in float32, where 1e-8 is equality.
    audio = audio if processor.package is None else audio.float()
    for setting in corners(processor):
        output, _ = processor.process(audio, setting | dict(processor.neutral or {}), RATE)
        difference = (output - audio).abs().max()
        if processor.neutral is None:
            assert processor.name in WITHOUT_NEUTRAL
            # The finest rounding of a bit crusher is to 16 bits.
            assert difference > (7e-6 if processor.name == "pedalboard_bitcrush" else 1e-3)
        else:
            assert difference <= 1e-8


@EVERY
@pytest.mark.parametrize("block", [1, 7, 64, 333])
def test_any_block_size_gives_the_same_bits(processor: Processor, block: int) -> None:
    audio = music()
    knobs = {name: torch.tensor([knob.max, low_setting(knob)]) for name, knob in zip_knobs(processor)}
    whole, last = processor.process(audio, knobs, RATE)
    count = -(-LENGTH // block)
    assert torch.equal(in_blocks(processor, audio, knobs, [block] * count), whole)
    assert set(last) == set(processor.initial_state(2, 2, RATE))


def low_setting(knob: Knob) -> float:
    return float(knob.value_at(torch.tensor(0.3, dtype=torch.float64)))


def zip_knobs(processor: Processor) -> list:
    return [(knob.name, knob) for knob in processor.knobs.knobs]


@EVERY
@settings(max_examples=10)
@given(st.lists(st.integers(0, 400), max_size=8))
def test_any_division_gives_the_same_bits(processor: Processor, lengths: list[int]) -> None:
    audio = music()
    knobs = {name: low_setting(knob) for name, knob in zip_knobs(processor)}
    whole, _ = processor.process(audio, knobs, RATE)
    assert torch.equal(in_blocks(processor, audio, knobs, [*lengths, LENGTH]), whole)


@EVERY
def test_process_is_pure(processor: Processor) -> None:
    audio = music()
    _, state = processor.process(audio, None, RATE)
    kept = {name: tensor.clone() for name, tensor in state.items()}
    first, _ = processor.process(audio, None, RATE, state)
    if processor.has_live_state:
        with pytest.raises(ConfigError, match=" once"):
            processor.process(audio, None, RATE, state)
        _, state = processor.process(audio, None, RATE)
    second, _ = processor.process(audio, None, RATE, state)
    assert torch.equal(first, second)
    assert all(torch.equal(state[name], kept[name]) for name in kept)
    assert torch.equal(audio, music())


@EVERY
def test_items_and_settings_of_a_batch_do_not_meet(processor: Processor) -> None:
    audio = music(batch=3)
    knobs = {name: torch.tensor([knob.min, knob.default, knob.max]) for name, knob in zip_knobs(processor)}
    output, state = processor.process(audio, knobs, RATE)
    for item in range(3):
        own = {name: float(values[item]) for name, values in knobs.items()}
        alone, alone_state = processor.process(audio[item : item + 1], own, RATE)
        assert torch.equal(output[item : item + 1], alone)
        assert all(torch.equal(state[name][item : item + 1], alone_state[name]) for name in state)


@EVERY
@pytest.mark.parametrize("rate", [8000, 44100, 192000])
def test_extreme_knobs_stay_finite(processor: Processor, rate: int) -> None:
    generator = torch.Generator().manual_seed(0)
    signals = torch.stack(
        [
            torch.rand(600, generator=generator, dtype=torch.float64) * 2 - 1,
            torch.ones(600, dtype=torch.float64),
            torch.zeros(600, dtype=torch.float64),
            torch.nn.functional.one_hot(torch.tensor(5), 600).double(),
            torch.sign(torch.sin(torch.arange(600, dtype=torch.float64))),
        ]
    )[None]
    for setting in corners(processor):
        output, state = processor.process(signals, setting, rate)
        assert torch.isfinite(output).all()
        assert output.abs().max() < 100
        assert all(torch.isfinite(tensor).all() for tensor in state.values())


@LISTED
def test_ranges_are_documented(processor: Processor) -> None:
    text = inspect.getdoc(type(processor))
    for knob in processor.knobs.knobs:
        assert f"\n    ``{knob.name}``: " in text
    assert "Neutral: " in text
    assert processor.latency == 0


@EVERY
def test_empty_blocks_change_nothing(processor: Processor) -> None:
    audio = music()
    _, state = processor.process(audio, None, RATE)
    output, after = processor.process(audio[..., :0], None, RATE, state)
    assert output.shape == (2, 2, 0)
    assert all(torch.equal(state[name], after[name]) for name in state)


def test_what_does_not_fit_is_refused() -> None:
    compressor = find_processor("comp_4c")
    audio = music()
    with pytest.raises(ShapeError, match=r"expected \(B, C, T\)"):
        compressor.process(audio[0], None, RATE)
    with pytest.raises(DataError, match="NaN"):
        compressor.process(audio * float("nan"), None, RATE)
    with pytest.raises(ConfigError, match="sample rate 0"):
        compressor.process(audio, None, 0)
    _, state = compressor.process(audio, None, RATE)
    with pytest.raises(ShapeError, match="other audio"):
        compressor.process(audio[:, :1], None, RATE, state)
    with pytest.raises(ShapeError, match=r"\(3,\).* 2 .*\(2,\)"):
        compressor.process(audio, {"ratio": torch.ones(3)}, RATE)
    with pytest.raises(ConfigError, match="'ratios'.*'ratio'"):
        compressor.process(audio, {"ratios": 2}, RATE)
    with pytest.raises(ConfigError, match="'comp_4c'"):
        find_processor("comp4c")
