"""The compiled cells of recurrent effects: the library's own numbers, and the same bits for blocks of any size."""

import pytest
import torch

from effects.knobs import Knob, KnobSet
from effects.models.recurrent import Recurrent, RecurrentConfig
from vocoders.core.errors import ShapeError

KNOBS = KnobSet(knobs=(Knob(name="drive", min=0, max=1, default=0.5),))


def make_model(**options) -> Recurrent:
    torch.manual_seed(0)
    model = Recurrent(RecurrentConfig(knobs=KNOBS, **options)).eval()
    torch.nn.init.normal_(model.projection.weight, std=0.3)
    return model


def make_audio(model: Recurrent, length: int) -> torch.Tensor:
    return 0.5 * torch.randn(2, model.config.audio_channels, length, generator=torch.Generator().manual_seed(1))


def stream(model: Recurrent, audio: torch.Tensor, knobs: torch.Tensor, size: int) -> torch.Tensor:
    state, outputs = model.initial_state(len(audio), audio.shape[1]), []
    for start in range(0, audio.shape[-1], size):
        moving = knobs[..., start : start + size] if knobs.ndim == 3 else knobs
        output, state = model.stream(audio[..., start : start + size], moving, state)
        outputs.append(output)
    return torch.cat(outputs, dim=-1)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("units", [1, 16, 20, 32, 65])
@pytest.mark.parametrize(
    "options",
    [
        {"num_layers": 3},
        {"conditioning": "film", "head": "gain"},
        {"audio_channels": 2, "residual": True},
    ],
    ids=["deep", "film", "stereo"],
)
@torch.no_grad()
def test_compiled_cells_are_the_librarys(cell: str, units: int, options: dict) -> None:
    model = make_model(cell=cell, hidden_size=units, **options)
    audio = make_audio(model, 150)
    for knobs in (torch.rand(2, 1), torch.rand(2, 1, 150)):
        whole, _ = model.double()(audio.double(), knobs.double())
        found = stream(model.float(), audio, knobs, 49)
        torch.testing.assert_close(found.double(), whole, rtol=0, atol=1e-6 * max(1.0, float(whole.abs().max())))


@pytest.mark.parametrize("size", [1, 7, 64])
def test_states_come_out_the_same_bits_for_blocks_of_any_size(size: int) -> None:
    model = make_model(hidden_size=20, num_layers=2)
    audio, knobs = make_audio(model, 150), torch.rand(2, 1)
    state = model.initial_state(2, 1)
    _, whole = model.stream(audio, knobs, model.initial_state(2, 1))
    for start in range(0, 150, size):
        _, state = model.stream(audio[..., start : start + size], knobs, state)
    assert all(torch.equal(state[name], whole[name]) for name in whole)


def test_loud_audio_saturates_and_stays_finite() -> None:
    model = make_model(hidden_size=16)
    model.cells.weight_ih_l0.data.mul_(1e4)
    output = stream(model, 100 * make_audio(model, 64), torch.rand(2, 1), 64)
    assert torch.isfinite(output).all()


def test_the_state_that_is_given_stays_as_it_is() -> None:
    model = make_model(hidden_size=16)
    state = model.initial_state(2, 1)
    model.stream(make_audio(model, 10), torch.rand(2, 1), state)
    assert all(not tensor.any() for tensor in state.values())


def test_states_of_other_cells_are_refused() -> None:
    model, other = make_model(hidden_size=40), make_model(hidden_size=1)
    with pytest.raises(ShapeError, match="state .* of other cells"):
        model.stream(make_audio(model, 10), torch.rand(2, 1), other.initial_state(2, 1))
