"""What every neural effect must do, whichever its family."""

import itertools

import pytest
import torch
from effect_cases import CONFIGS, make_audio, make_knobs, make_model
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from effects.models import EffectModel
from effects.registry import FAMILIES
from vocoders.core.errors import ShapeError

EVERY = pytest.mark.parametrize("name", CONFIGS)


def in_blocks(model: EffectModel, audio: Tensor, knobs: Tensor, lengths: list[int], methods: str) -> Tensor:
    """Process in blocks, by ``forward`` and ``stream`` in the order that ``methods`` (f, s) repeats."""
    state, blocks, start = None, [], 0
    for length, method in zip(lengths, itertools.cycle(methods), strict=False):
        block = audio[..., start : start + length]
        moving = knobs[..., start : start + length] if knobs.ndim == 3 else knobs
        if method == "s" and state is None:
            state = model.initial_state(*audio.shape[:2], dtype=audio.dtype)
        output, state = (model.stream if method == "s" else model)(block, moving, state)
        blocks.append(output)
        start += block.shape[-1]
    return torch.cat(blocks, dim=-1)


@EVERY
@pytest.mark.parametrize("methods", ["f", "s", "fs"])
@pytest.mark.parametrize("moving", [False, True], ids=["still", "moving"])
@torch.no_grad()
def test_blocks_are_the_whole(name: str, methods: str, moving: bool) -> None:
    model = make_model(name)
    unit = model.block_length
    lengths = [unit * n for n in (1, 3, 7, 1, 2, 20, 600, 1, 1, 5)]
    audio = make_audio(model, sum(lengths))
    knobs = make_knobs(model, length=sum(lengths) if moving else None)
    whole, _ = model(audio, knobs)
    assert whole.shape == audio.shape
    # Knobs that jump at every sample lift the resonances of a random filter to hundreds.
    tolerance = 1e-12 * max(1.0, float(whole.abs().max()))
    torch.testing.assert_close(in_blocks(model, audio, knobs, lengths, methods), whole, rtol=0, atol=tolerance)


@EVERY
@torch.no_grad()
def test_single_precision_streams_within_a_millionth(name: str) -> None:
    model = make_model(name, torch.float32)
    audio, knobs = make_audio(model, 64 * model.block_length), make_knobs(model)
    whole, _ = model(audio, knobs)
    blocks = in_blocks(model, audio, knobs, [model.block_length * n for n in (1, 2, 29, 32)], "s")
    torch.testing.assert_close(blocks, whole, rtol=0, atol=1e-6 * max(1.0, float(whole.abs().max())))


@pytest.mark.parametrize("name", ["tcn_official_gain", "lstm_film_gain", "tcn_noncausal", "s4_gain", "graybox_drive"])
@settings(max_examples=15)
@given(st.lists(st.integers(0, 300), max_size=6), st.sampled_from(["f", "s", "sf"]))
def test_any_division_streams(name: str, lengths: list[int], methods: str) -> None:
    model = make_model(name)
    audio, knobs = make_audio(model, 1800), make_knobs(model)
    with torch.no_grad():
        whole, _ = model(audio, knobs)
        torch.testing.assert_close(in_blocks(model, audio, knobs, [*lengths, 1800], methods), whole, rtol=0, atol=1e-12)


@torch.no_grad()
def test_a_long_stream_moves_its_histories_back() -> None:
    model = make_model("tcn")
    audio, knobs = make_audio(model, 30_000, batch=1), make_knobs(model, batch=1)
    whole, _ = model(audio, knobs)
    torch.testing.assert_close(in_blocks(model, audio, knobs, [999] * 31, "s"), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(in_blocks(model, audio, knobs, [12_000] * 3, "s"), whole, rtol=0, atol=1e-12)


@EVERY
@torch.no_grad()
def test_forward_leaves_its_arguments_alone(name: str) -> None:
    model = make_model(name)
    audio, knobs = make_audio(model, 4 * model.block_length), make_knobs(model)
    _, state = model(audio, knobs)
    kept = {key: tensor.clone() for key, tensor in state.items()}
    first, _ = model(audio, knobs, state)
    second, _ = model(audio, knobs, state)
    assert torch.equal(first, second)
    assert all(torch.equal(state[key], kept[key]) for key in kept)
    assert {key: tensor.shape for key, tensor in state.items()} == {
        key: tensor.shape for key, tensor in model.initial_state(2, model.config.audio_channels).items()
    }


@EVERY
def test_each_output_depends_on_the_declared_past_and_on_nothing_later(name: str) -> None:
    model = make_model(name)
    unit, field = model.block_length, model.receptive_field
    length = unit * (-(-((field or 40) + 30) // unit) + 2)
    audio, knobs = make_audio(model, length, batch=1).requires_grad_(), make_knobs(model, batch=1)
    output, _ = model(audio, knobs)
    # The last sample of a block is what sees all of its past and nothing later.
    n = length - unit - 1
    gradient = torch.autograd.grad(output[..., n].sum(), audio)[0].abs().sum(dim=(0, 1))
    # A convolution by FFT rounds; no other has anything to round.
    assert gradient[n + 1 :].max() <= (1e-15 if name.startswith("s4") else 0)
    assert gradient[n] > 0
    if field is not None:
        assert gradient[n - field + 1] > 0
        assert gradient[: n - field + 1].max() == 0
    else:
        assert gradient[0] > 0


@EVERY
@torch.no_grad()
def test_knobs_are_heard_and_items_do_not_meet(name: str) -> None:
    model = make_model(name)
    length = 8 * model.block_length + 100 * (model.block_length == 1)
    audio, knobs = make_audio(model, length), make_knobs(model)
    both, state = model(audio, knobs)
    for item in range(2):
        alone, own = model(audio[item : item + 1], knobs[item : item + 1])
        torch.testing.assert_close(both[item : item + 1], alone, rtol=0, atol=1e-12)
        for key, tensor in own.items():
            torch.testing.assert_close(state[key][item : item + 1], tensor, rtol=0, atol=1e-12)
    for index in range(len(model.knobs)):
        turned = knobs.clone()
        turned[:, index] += 0.5
        assert (model(audio, turned)[0] - both).abs().max() > 1e-6


@EVERY
@torch.no_grad()
def test_knobs_that_move_to_where_they_are_change_nothing(name: str) -> None:
    model = make_model(name)
    audio, knobs = make_audio(model, 6 * model.block_length), make_knobs(model)
    still, _ = model(audio, knobs)
    moving, _ = model(audio, knobs[..., None].expand(-1, -1, audio.shape[-1]))
    torch.testing.assert_close(moving, still, rtol=0, atol=1e-12)


@EVERY
@torch.no_grad()
def test_extreme_inputs_stay_finite(name: str) -> None:
    model = make_model(name, torch.float32)
    audio = torch.ones(2, model.config.audio_channels, 50 * model.block_length)
    audio[1] = 0
    for value in (-1.0, 1.0):
        output, state = model(audio, torch.full((2, len(model.knobs)), value))
        assert torch.isfinite(output).all()
        assert all(torch.isfinite(tensor).all() for tensor in state.values())


@EVERY
def test_gradients_reach_every_parameter_even_in_silence(name: str) -> None:
    model = make_model(name).train()
    audio = make_audio(model, 10 * model.block_length)
    audio[0] = 0
    output, _ = model(audio, make_knobs(model))
    output.square().mean().backward()
    for key, parameter in model.named_parameters():
        # Without knobs there is no condition for the weights of a modulation to act on.
        if parameter.requires_grad and not (name == "tcn_without_knobs" and key.endswith("adaptor.weight")):
            assert parameter.grad.abs().max() > 0, key
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), key


@EVERY
def test_a_folder_gives_the_same_effect_back(name: str, tmp_path) -> None:
    model = make_model(name, torch.float32)
    model.save_pretrained(tmp_path / "model")
    loaded = FAMILIES[model.family].model_class.from_pretrained(tmp_path / "model", verify=True)
    assert loaded.config == model.config
    inputs = model.reference_inputs()
    assert inputs["audio"].shape[-1] % model.block_length == 0
    with torch.no_grad():
        assert torch.equal(loaded(**inputs)[0], model(**inputs)[0])


def test_what_does_not_fit_is_refused() -> None:
    model = make_model("lstm")
    audio, knobs = make_audio(model, 10), make_knobs(model)
    with pytest.raises(ShapeError, match=r"\(B, 1, T\)"):
        model(audio.expand(2, 3, 10), knobs)
    with pytest.raises(ShapeError, match=r"expected \(B, 1, T\)"):
        model(audio[0], knobs)
    with pytest.raises(ShapeError, match=r"knobs \(2, 1\) .* expected \(2, 2\) or \(2, 2, 10\)"):
        model(audio, knobs[:, :1])
    with pytest.raises(ShapeError, match=r"knobs \(2, 2, 9\)"):
        model(audio, make_knobs(model, length=9))
    _, state = model(audio, knobs)
    with pytest.raises(ShapeError, match=r"state of \[2\] items for a batch of 1"):
        model(audio[:1], knobs[:1], state)
    signaltrain = make_model("signaltrain")
    with pytest.raises(ShapeError, match="multiple of 40"):
        signaltrain(make_audio(signaltrain, 41), knobs)
