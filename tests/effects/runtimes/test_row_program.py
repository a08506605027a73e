"""Compiled programs over rows: every activation and width as in PyTorch, and the same bits for blocks of any size."""

from typing import get_args

import pytest
import torch

from effects.models.activations import Activation, ActivationName, activate
from effects.models.wavenet import WaveNet, WaveNetConfig
from effects.models.wavenet_config import ArrayConfig, two_arrays


def make_model(**fields) -> WaveNet:
    torch.manual_seed(0)
    array = ArrayConfig(**{"channels": 4, "dilations": (1, 5)} | fields)
    model = WaveNet(WaveNetConfig(arrays=(array,), head_scale=0.5)).eval()
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, -0.8, 0.8)
    return model


def noise(length: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 1, length, generator=torch.Generator().manual_seed(1))


def stream(model: WaveNet, audio: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    state, outputs = model.initial_state(len(audio), 1), []
    for block in audio.split(sizes, dim=-1):
        output, state = model.stream(block, torch.zeros(len(audio), 0), state)
        outputs.append(output)
    return torch.cat(outputs, dim=-1)


@pytest.mark.parametrize("name", get_args(ActivationName))
@torch.no_grad()
def test_activations_are_pytorchs(name: str) -> None:
    model = make_model(activation=Activation(name=name, slopes=(0.1, -0.2, 0.3, 1.5)), gating="gated")
    audio = 3 * noise(200)
    whole, _ = model.double()(audio.double(), torch.zeros(2, 0))
    found = stream(model.float(), audio, [200])
    torch.testing.assert_close(found.double(), whole, rtol=0, atol=2e-6 * max(1.0, float(whole.abs().max())))


def test_activations_have_their_formulas() -> None:
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)[None, None]
    found = activate(x, Activation(name="leaky_hard_tanh", bounds=(-1, 2), outer_slopes=(0.1, 0.3)))
    expected = torch.where(x < -1, (x + 1) * 0.1 - 1, torch.where(x > 2, (x - 2) * 0.3 + 2, x))
    torch.testing.assert_close(found, expected)
    difference = activate(x, Activation(name="fast_tanh")) - torch.tanh(x)
    assert 1e-5 < difference.abs().max() < 4.4e-4


@pytest.mark.parametrize("channels", [1, 4, 5, 8, 12, 16, 17, 40])
@torch.no_grad()
def test_widths_are_pytorchs(channels: int) -> None:
    model = make_model(channels=channels, kernel_size=(3, 2))
    audio = 0.1 * noise(70)
    whole, _ = model.double()(audio.double(), torch.zeros(2, 0))
    found = stream(model.float(), audio, [70])
    torch.testing.assert_close(found.double(), whole, rtol=0, atol=2e-6 * max(1.0, float(whole.abs().max())))


@torch.no_grad()
def test_bits_do_not_depend_on_blocks_or_on_how_far_a_stream_is() -> None:
    torch.manual_seed(0)
    model = WaveNet(WaveNetConfig(arrays=two_arrays(12, ((1, 4), (700, 2))))).eval()
    audio = noise(5000)
    whole = stream(model, audio, [5000])
    for sizes in ([1, 2, 3, 64, 1000, 3930], [37] * 135 + [5]):
        assert torch.equal(stream(model, audio, sizes), whole)


@torch.no_grad()
def test_a_stream_goes_on_by_forward_and_back() -> None:
    model, audio, none = make_model(), noise(300), torch.zeros(2, 0)
    whole, _ = model(audio, none)
    first, state = model.stream(audio[..., :100], none, model.initial_state(2, 1))
    second, state = model(audio[..., 100:170], none, model.compact(state))
    third, _ = model.stream(audio[..., 170:], none, state)
    torch.testing.assert_close(torch.cat([first, second, third], dim=-1), whole, rtol=0, atol=1e-6)
