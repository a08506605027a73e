"""All periods in one pass: the same as one after the other."""

import copy
import time

import pytest
import torch

from vocoders.periodwave import PeriodWave
from vocoders.periodwave.config import PeriodWaveConfig
from vocoders.periodwave.packing import PackedLayout, faster_form
from vocoders.periodwave.unet import PLAIN, FreeU

PERIODS = (1, 2, 3, 5, 7)


@pytest.fixture(scope="module")
def model() -> PeriodWave:
    torch.manual_seed(0)
    return PeriodWave(PeriodWaveConfig(hidden_channels=32, periods=PERIODS, drop_prob=0.0)).eval()


@pytest.fixture(autouse=True)
def automatic(model):
    yield
    model.estimator.period_batching = "auto"


def velocity(model: PeriodWave, form: str, frames: int, batch: int = 2, freeu: FreeU = PLAIN) -> torch.Tensor:
    generator = torch.Generator().manual_seed(frames)
    features = (torch.randn(batch, 100, frames, generator=generator) - 4).to(model.energy_range)
    x = torch.randn(batch, 1, frames * model.hop_length, generator=generator).to(model.energy_range)
    model.estimator.period_batching = form
    return model.estimator(x, model.encode(features), torch.full((batch,), 0.3).to(x), freeu)


@pytest.mark.parametrize("frames", [2, 3, 7, 20, 33])
@pytest.mark.parametrize("freeu", [PLAIN, FreeU(1.1, 0.9)])
def test_packed_is_the_loop(model, frames, freeu):
    with torch.inference_mode():
        packed, loop = (velocity(model, form, frames, freeu=freeu) for form in ("packed", "loop"))
    assert (packed - loop).abs().max() < 1e-6 * loop.abs().max()


def test_gradients_agree(model):
    exact = copy.deepcopy(model).double()
    gradients = []
    for form in ("packed", "loop"):
        exact.zero_grad()
        velocity(exact, form, 12).square().sum().backward()
        gradients.append([p.grad.clone() for p in exact.estimator.parameters()])
    for packed, loop in zip(*gradients, strict=True):
        torch.testing.assert_close(packed, loop, rtol=1e-9, atol=1e-9)


def test_columns_lie_apart_and_come_back():
    layout = PackedLayout(1000, PERIODS, 64, 256)
    x = torch.randn(3, 2, 1000)
    for signal in layout.unpack(layout.pack(x)):
        torch.testing.assert_close(signal, x)
    mask = layout.mask(3, 64, x)
    columns = torch.tensor([q * n // 64 for q, n in zip(PERIODS, layout.columns, strict=True)])
    torch.testing.assert_close(mask.sum((1, 2)), columns.repeat_interleave(3).float())


def test_gap_is_as_wide_as_the_widest_convolution(model):
    layout = PackedLayout.of(model.estimator.unet, PERIODS, 512)
    assert layout.gap // layout.multiple == max(model.config.dilations)


def test_cpu_takes_the_loop_but_for_very_short_signals(model):
    choices = {}
    for frames in (4, 100):
        x = torch.zeros(1, 1, frames * 256)
        choices[frames] = model.estimator._form(x, (), torch.zeros(1))
    assert choices == {4: "packed", 100: "loop"}


def test_faster_form_is_measured():
    forms = {"slow": lambda: time.sleep(0.02), "fast": lambda: None}
    assert faster_form(forms, torch.device("cpu")) == "fast"
