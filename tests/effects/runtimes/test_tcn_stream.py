"""The compiled step of a TCN: the network's own numbers, and the same bits for blocks of any size."""

import pytest
import torch

from effects.knobs import Knob, KnobSet
from effects.models.tcn import TCN, TCNConfig
from vocoders.core import vectors
from vocoders.core.errors import ShapeError

KNOBS = KnobSet(knobs=(Knob(name="drive", min=0, max=1, default=0.5),))
SIZES = {"num_blocks": 3, "kernel_size": 3, "dilation_growth": 3, "condition_channels": (4,), "knobs": KNOBS}


def make_model(**options) -> TCN:
    torch.manual_seed(0)
    model = TCN(TCNConfig(**(SIZES | options))).eval()
    torch.nn.init.normal_(model.projection.weight, std=0.3)
    return model


def make_audio(model: TCN, length: int, batch: int = 2) -> torch.Tensor:
    return 0.3 * torch.randn(batch, model.config.audio_channels, length, generator=torch.Generator().manual_seed(1))


def stream(model: TCN, audio: torch.Tensor, knobs: torch.Tensor, size: int) -> torch.Tensor:
    state, outputs = model.initial_state(len(audio), audio.shape[1]), []
    for start in range(0, audio.shape[-1], size):
        block = audio[..., start : start + size]
        moving = knobs[..., start : start + size] if knobs.ndim == 3 else knobs
        output, state = model.stream(block, moving, state)
        outputs.append(output)
    return torch.cat(outputs, dim=-1)


@pytest.mark.parametrize("channels", [1, 4, 16, 20, 32, 40, 72])
@pytest.mark.parametrize("moving", [False, True], ids=["still", "moving"])
@torch.no_grad()
def test_compiled_blocks_are_the_network_for_every_width(channels: int, moving: bool) -> None:
    model = make_model(channels=channels)
    audio = make_audio(model, 100)
    knobs = torch.rand(2, 1, 100) if moving else torch.rand(2, 1)
    whole, _ = model.double()(audio.double(), knobs.double())
    found = stream(model.float(), audio, knobs, 33)
    torch.testing.assert_close(found.double(), whole, rtol=0, atol=1e-6 * max(1.0, float(whole.abs().max())))


@pytest.mark.parametrize(
    "options",
    [
        {"crop": "official", "norm": "batch"},
        {"causal": False, "head": "gain"},
        {"audio_channels": 2, "head": "gain"},
        {"audio_channels": 4, "channels": 4},
        {"audio_channels": 2, "channels": 2},
        {"audio_channels": 16, "channels": 16, "num_blocks": 1},
        {"num_blocks": 1, "kernel_size": 2},
    ],
)
@torch.no_grad()
def test_compiled_blocks_are_the_network_with_every_option(options: dict) -> None:
    model = make_model(**({"channels": 8} | options))
    audio, knobs = make_audio(model, 120), torch.rand(2, 1)
    whole, _ = model.double()(audio.double(), knobs.double())
    found = stream(model.float(), audio, knobs, 17)
    torch.testing.assert_close(found.double(), whole, rtol=0, atol=1e-6 * max(1.0, float(whole.abs().max())))


@pytest.mark.parametrize("channels", [16, 48])
@pytest.mark.parametrize("size", [1, 3, 8, 64, 77])
def test_blocks_of_any_size_and_batches_give_the_same_bits(channels: int, size: int) -> None:
    model = make_model(channels=channels)
    audio, knobs = make_audio(model, 200), torch.rand(2, 1)
    whole = stream(model, audio, knobs, 200)
    assert torch.equal(stream(model, audio, knobs, size), whole)
    assert torch.equal(stream(model, audio[1:], knobs[1:], size), whole[1:])


def test_the_step_follows_weights_that_are_changed_between_streams() -> None:
    model = make_model(channels=16)
    audio, knobs = make_audio(model, 50), torch.rand(2, 1)
    stream(model, audio, knobs, 50)
    model.load_state_dict({name: 0.5 * value for name, value in model.state_dict().items()})
    with torch.no_grad():
        whole, _ = model(audio, knobs)
    torch.testing.assert_close(stream(model, audio, knobs, 50), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [8, 16])
def test_a_stream_stands_in_the_shapes_of_its_beginning(channels: int) -> None:
    model = make_model(channels=channels, head="gain", crop="official")
    audio, knobs = make_audio(model, 300), torch.rand(2, 1)
    whole = stream(model, audio, knobs, 300)
    first, state = model.stream(audio[..., :123], knobs, model.initial_state(2, 1))
    state = model.compact(state)
    rest = model.initial_state(2, 1)
    assert {name: tensor.shape for name, tensor in state.items()} == {name: t.shape for name, t in rest.items()}
    second, _ = model.stream(audio[..., 123:], knobs, state)
    assert torch.equal(torch.cat([first, second], dim=-1), whole)


def test_histories_of_another_network_are_refused() -> None:
    model, other = make_model(channels=16), make_model(channels=40)
    audio, knobs = make_audio(model, 20), torch.rand(2, 1)
    for state in (other.initial_state(2, 1), model.initial_state(2, 1, dtype=torch.float64)):
        with pytest.raises(ShapeError, match="of another network"):
            model.stream(audio, knobs, state)


def test_histories_move_back_to_the_front_unharmed() -> None:
    model = make_model(channels=16)
    audio, knobs = make_audio(model, 20_000, batch=1), torch.rand(1, 1)
    assert torch.equal(stream(model, audio, knobs, 512), stream(model, audio, knobs, 20_000))


def test_what_is_compiled_is_compiled_again_when_its_vectors_change() -> None:
    from effects.runtimes.tcn_kernels import run_block
    from vocoders.core.compiling import compiled

    def function() -> int:
        return 1

    names = {compiled(*parts)(function).py_func.__qualname__ for parts in [(), (vectors,)]}
    assert len(names) == 2
    assert run_block.py_func.__qualname__.startswith("run_block_")
