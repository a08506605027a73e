import pytest
import torch

from effects.models.differentiable_recursions import ballistics, two_poles


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("moving", [False, True])
def test_gradients_of_ballistics(moving: bool) -> None:
    length = 7
    steps = length if moving else 1
    inputs = (-_random(2, 2, length), 0.1 + 0.8 * _random(2, steps, seed=1), 0.1 + 0.8 * _random(2, steps, seed=2))
    inputs = (*inputs, -_random(2, 2, seed=3))
    assert torch.autograd.gradcheck(ballistics, tuple(x.requires_grad_() for x in inputs))


@pytest.mark.parametrize("moving", [False, True])
def test_gradients_of_two_poles(moving: bool) -> None:
    steps = 6 if moving else 1
    inputs = (_random(2, 2, 6), -0.5 * _random(2, steps, seed=1), 0.4 * _random(2, steps, seed=2), _random(2, 2, 2))
    assert torch.autograd.gradcheck(two_poles, tuple(x.requires_grad_() for x in inputs))


def test_two_poles_is_the_filter_that_it_says() -> None:
    from scipy.signal import lfilter

    x = _random(1, 1, 200) - 0.5
    a1, a2 = (torch.tensor([[value]], dtype=torch.float64) for value in (-1.6, 0.8))
    y = two_poles(x, a1, a2, torch.zeros(1, 1, 2, dtype=torch.float64))
    expected = lfilter([1.0], [1.0, -1.6, 0.8], x[0, 0].numpy())
    torch.testing.assert_close(y[0, 0], torch.from_numpy(expected), rtol=0, atol=1e-12)


def test_one_sample_falls_and_rises_with_its_own_coefficient() -> None:
    gain = torch.tensor([[[-6.0, 0.0]]], dtype=torch.float64)
    fall, rise = (torch.tensor([[value]], dtype=torch.float64) for value in (0.25, 0.5))
    smooth = ballistics(gain, fall, rise, torch.zeros(1, 1, dtype=torch.float64))
    torch.testing.assert_close(smooth, torch.tensor([[[-4.5, -2.25]]], dtype=torch.float64))
