"""State-space layers: convolution, recurrence and continuation are one system."""

import pytest
import torch

from vocoders.core.errors import ConfigError
from vocoders.layers.s4 import S4Config, S4Layer

CONFIGS = {
    "dplr": S4Config(d_state=8),
    "dplr_per_feature": S4Config(d_state=8, num_systems=None, dt_transform="softplus"),
    "dplr_free": S4Config(d_state=8, structure="dplr_free"),
    "s4d_lin_zoh": S4Config(d_state=8, structure="diagonal", initialisation="lin", discretisation="zoh"),
    "s4d_inv_bilinear": S4Config(d_state=8, structure="diagonal", initialisation="inv"),
    "s4d_legs": S4Config(d_state=8, structure="diagonal", num_systems=None, output="linear"),
}


def build(name: str, features: int = 5, **options) -> S4Layer:
    torch.manual_seed(0)
    return S4Layer(features, CONFIGS[name], **options).double()


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("length", [1, 2, 33, 100])
def test_recurrence_is_the_convolution(name, length):
    layer, u = build(name), noise(2, 5, length)
    with torch.no_grad():
        state, outputs = layer.initial_state(2), []
        for sample in u.split(1, dim=-1):
            y, state = layer.advance(sample, state)
            outputs.append(y)
        torch.testing.assert_close(torch.cat(outputs, -1), layer(u), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", CONFIGS)
def test_state_after_a_prompt_is_that_of_stepping(name):
    layer, u = build(name), noise(2, 5, 70)
    with torch.no_grad():
        first, state = layer.advance(u[..., :40], layer.initial_state(2))
        rest, _ = layer.advance(u[..., 40:], state)
        torch.testing.assert_close(torch.cat([first, rest], -1), layer(u), rtol=0, atol=1e-9)
        stepped = layer.initial_state(2)
        for sample in u[..., :40].split(1, dim=-1):
            _, stepped = layer.advance(sample, stepped)
        torch.testing.assert_close(state.x, stepped.x, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", CONFIGS)
def test_kernel_of_a_length_is_the_beginning_of_a_longer_one(name):
    # A generating function divided by 1 + z at the Nyquist frequency would spoil even lengths.
    kernel = build(name).kernel
    with torch.no_grad():
        longest = kernel(257)
        for length in (1, 16, 64, 255, 256):
            torch.testing.assert_close(kernel(length), longest[..., :length], rtol=0, atol=1e-10)
        assert torch.isfinite(longest).all()


def test_zero_order_hold_is_exact_for_a_held_input():
    layer = build("s4d_lin_zoh")
    system = layer.kernel.discretise()
    dt = torch.exp(layer.kernel.inv_dt).view(-1, 1)
    poles = -torch.exp(layer.kernel.A_real) - 1j * layer.kernel.A_imag
    expected = torch.exp(poles * dt).expand(5, -1)
    ours = torch.exp(system.log_poles)
    # The order and the sign of the imaginary part say nothing: poles come in conjugate pairs.
    for mine, theirs in zip(ours, expected, strict=True):
        distance = (mine[:, None] - theirs[None]).abs().minimum((mine[:, None] - theirs.conj()[None]).abs())
        assert distance.min(1).values.max() < 1e-10


@pytest.mark.parametrize("name", CONFIGS)
def test_output_depends_on_the_past_alone(name):
    layer, u = build(name), noise(1, 5, 50).requires_grad_()
    layer(u)[..., 20].sum().backward()
    assert u.grad[..., 21:].abs().max() < 1e-12 * u.grad.abs().max()
    assert (u.grad[..., :21].abs().amax((0, 1)) > 0).all()


def test_bidirectional_layer_reads_the_future_and_has_no_state():
    layer = S4Layer(5, S4Config(d_state=8, bidirectional=True)).double()
    u = noise(1, 5, 50).requires_grad_()
    layer(u)[..., 20].sum().backward()
    assert (u.grad.abs().amax((0, 1)) > 0).all()
    with pytest.raises(ConfigError, match="cannot be stepped"):
        layer.initial_state(1)


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_are_real_and_all_of_them_learn(name):
    layer = build(name)
    assert not any(value.is_complex() for value in layer.state_dict().values())
    layer(noise(1, 5, 64)).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in layer.parameters())


@pytest.mark.parametrize("name", ["dplr", "s4d_lin_zoh"])
def test_gradients_are_those_of_finite_differences(name):
    layer, u = build(name, features=2), noise(1, 2, 12)
    names = [n for n, _ in layer.kernel.named_parameters()]

    def kernel(*values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer.kernel, dict(zip(names, values, strict=True)), (12,))

    values = tuple(p.detach().clone().requires_grad_() for p in layer.kernel.parameters())
    assert torch.autograd.gradcheck(kernel, values, atol=1e-5, rtol=1e-4)
    assert torch.isfinite(layer(u)).all()


def test_limited_kernel_forgets_what_is_older():
    layer = build("dplr", kernel_length=16, limit_kernel=True)
    u = noise(1, 5, 60).requires_grad_()
    layer.convolve(u)[..., 50].sum().backward()
    reached = u.grad.abs().amax((0, 1)) > 1e-12
    assert reached.nonzero().min() == 50 - 15


def test_a_kept_recurrence_follows_the_parameters():
    layer = S4Layer(4, S4Config(d_state=8), kernel_length=64)
    with torch.no_grad():
        first = layer.kernel.discretise()
        assert layer.kernel.discretise() is first
        layer.kernel.C.mul_(2)
        assert torch.allclose(layer.kernel.discretise().output, 2 * first.output)
        layer.load_state_dict(layer.state_dict())
        assert layer.kernel.discretise() is not first
    # With gradients it is a part of the graph, and is computed anew.
    assert layer.kernel.discretise().output.requires_grad
