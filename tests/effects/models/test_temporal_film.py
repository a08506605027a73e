"""Modulation by blocks: how far it looks ahead, what it does to a block, and where a block begins."""

import pytest
import torch
from torch import nn

from effects.models.temporal_film import TemporalFiLM, TimeVaryingCondition, TimeVaryingFiLM, TinyTemporalFiLM

BLOCK, CHANNELS, KNOBS, LENGTH = 16, 4, 2, 70


class TimeVarying(nn.Module):
    """A condition and the layer that it modulates, with the signature of the other layers."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.condition = TimeVaryingCondition(CHANNELS, KNOBS, BLOCK, causal)
        self.layer = TimeVaryingFiLM(CHANNELS, block_length=BLOCK)
        self.look_ahead = self.condition.look_ahead

    def forward(self, x: torch.Tensor, knobs: torch.Tensor) -> torch.Tensor:
        return self.layer(x, self.condition(x, knobs))


LAYERS = {
    "tfilm": lambda causal: TemporalFiLM(CHANNELS, KNOBS, BLOCK, causal),
    "ttfilm": lambda causal: TinyTemporalFiLM(CHANNELS, KNOBS, BLOCK, causal),
    "tvfilm": TimeVarying,
}


def _make(name: str, causal: bool) -> nn.Module:
    torch.manual_seed(0)
    layer = LAYERS[name](causal).double()
    # Above zero, so that no rectifier hides what the layer depends on.
    for part in ("adaptor", "reduce"):
        for parameter in getattr(layer, part, nn.Identity()).parameters():
            nn.init.uniform_(parameter, 0.1, 0.5)
    return layer


def _inputs(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, CHANNELS, LENGTH, generator=generator, dtype=torch.float64)
    return x, torch.rand(3, KNOBS, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_no_sample_depends_on_more_future_than_declared(name: str, causal: bool) -> None:
    layer = _make(name, causal)
    assert layer.look_ahead == (0 if causal else BLOCK - 1)
    furthest = 0
    for place in range(LENGTH):
        x, knobs = _inputs()
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(layer(x, knobs)[..., place].sum(), x)
        seen = gradient.abs().amax(dim=(0, 1)).nonzero().max().item()
        furthest = max(furthest, seen - place)
    assert furthest <= layer.look_ahead
    # The published form really looks ahead.
    assert (furthest > 0) == (not causal)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_a_block_is_scaled_and_shifted_as_a_whole(name: str, causal: bool) -> None:
    layer = _make(name, causal)
    x, knobs = _inputs()
    y = layer(x, knobs)
    assert y.shape == x.shape
    blocks = zip(x.split(BLOCK, dim=-1), y.split(BLOCK, dim=-1), _gains(x, y).unbind(dim=-1), strict=True)
    for block_x, block_y, gain in blocks:
        shift = block_y[..., 0] - gain * block_x[..., 0]
        torch.testing.assert_close(gain[..., None] * block_x + shift[..., None], block_y)


@pytest.mark.parametrize("name", LAYERS)
def test_a_causal_block_is_modulated_by_the_one_before(name: str) -> None:
    causal, published = _make(name, True), _make(name, False)
    x, knobs = _inputs()
    late = torch.cat([torch.zeros_like(x[..., :BLOCK]), x], dim=-1)
    # Behind a block of silence, the published layer hears in block b what the causal one heard in block b - 1.
    gains = [_gains(x, causal(x, knobs)), _gains(late, published(late, knobs))]
    torch.testing.assert_close(gains[0][..., 1:], gains[1][..., 1:])


def _gains(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the gain of each block (B, C, N)."""
    starts = range(0, LENGTH - 1, BLOCK)
    return torch.stack([(y[..., i + 1] - y[..., i]) / (x[..., i + 1] - x[..., i]) for i in starts], dim=-1)


def test_knobs_reach_every_block() -> None:
    for name in LAYERS:
        layer = _make(name, False)
        x, knobs = _inputs()
        change = (layer(x, knobs + 0.5) - layer(x, knobs)).abs().amax(dim=(0, 1))
        assert all(block.max() > 0 for block in change.split(BLOCK))


def test_published_shapes_and_sizes() -> None:
    assert sum(p.numel() for p in TemporalFiLM(8, 3).parameters()) == 4 * 16 * (11 + 16 + 2)
    layer = TinyTemporalFiLM(8, 3)
    assert [tuple(p.shape) for p in layer.adaptor.parameters() if p.ndim == 3] == [(16, 4, 1), (32, 16, 1), (16, 32, 1)]
    assert TimeVaryingCondition(1, 3)(torch.zeros(2, 1, 600), torch.zeros(2, 3)).shape == (2, 32, 5)


def test_gains_and_shifts_of_the_small_form_are_never_negative() -> None:
    torch.manual_seed(2)
    layer = TinyTemporalFiLM(CHANNELS, KNOBS, BLOCK)
    x, knobs = (tensor.float().abs() for tensor in _inputs())
    assert (layer(x, knobs) >= 0).all()
