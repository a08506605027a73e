"""Paths and solvers against closed forms, their orders of convergence, and an independent integrator."""

import math

import pytest
import torch

from vocoders.core.errors import ConfigError
from vocoders.flow import ProbabilityPath, solve, time_grid
from vocoders.solvers import SOLVERS, calls_per_step

ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}


def _decay(x, t):
    """Nonlinear in time: dx/dt = -x cos(t), x(1) = x(0) exp(-sin 1)."""
    return -x * torch.cos(t)


@pytest.mark.parametrize("solver", SOLVERS)
def test_order_of_convergence(solver):
    x = torch.tensor([1.0, -2.0], dtype=torch.float64)
    exact = x * math.exp(-math.sin(1))
    errors = [(solve(_decay, x, time_grid(steps).double(), solver) - exact).abs().max() for steps in (8, 16)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(ORDERS[solver], abs=0.25)


@pytest.mark.parametrize("solver", SOLVERS)
def test_number_of_calls_and_their_times(solver):
    times = []

    def velocity(x, t):
        times.append(float(t))
        return x

    solve(velocity, torch.zeros(3), time_grid(5), solver)
    assert len(times) == 5 * calls_per_step(solver)
    assert min(times) == 0.0
    # Only Heun and RK4 ask for the velocity at the very end.
    assert (max(times) == 1.0) == (solver in ("heun", "rk4"))


@pytest.mark.parametrize("solver", ["euler", "midpoint", "rk4"])
def test_agrees_with_torchdiffeq(solver):
    torchdiffeq = pytest.importorskip("torchdiffeq")
    # torchdiffeq's fourth-order method is the 3/8 rule: equal up to the error of the method, so with many steps.
    grid = time_grid(100 if solver == "rk4" else 7, sway=-1.0).double()
    weight = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def velocity(x, t):
        return torch.tanh(x @ weight) + torch.sin(3 * t)

    x = torch.linspace(-1, 1, 8, dtype=torch.float64).view(2, 4)
    theirs = torchdiffeq.odeint(lambda t, x: velocity(x, t), x, grid, method=solver)[-1]
    tolerance = 1e-12 if solver != "rk4" else 1e-7
    torch.testing.assert_close(solve(velocity, x, grid, solver), theirs, atol=tolerance, rtol=0)


def test_one_euler_step_along_a_straight_path_arrives():
    path = ProbabilityPath(1e-4)
    x0, x1 = torch.randn(2, 3, 1, 50, generator=torch.Generator().manual_seed(0))
    velocity = path.sample(x0, x1, torch.rand(3)).velocity
    for solver in SOLVERS:
        arrived = solve(lambda x, t: velocity, x0, time_grid(1), solver)
        torch.testing.assert_close(arrived, x1 + 1e-4 * x0)


def test_velocity_is_the_derivative_of_the_path():
    path = ProbabilityPath(0.05)
    x0, x1 = torch.randn(2, 4, 1, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.0, 0.3, 0.7, 0.99], dtype=torch.float64)
    slope = (path.sample(x0, x1, t + 1e-6).x - path.sample(x0, x1, t).x) / 1e-6
    torch.testing.assert_close(slope, path.sample(x0, x1, t).velocity, atol=1e-8, rtol=0)
    torch.testing.assert_close(path.sample(x0, x1, torch.zeros(4)).x, x0)
    torch.testing.assert_close(path.sample(x0, x1, torch.ones(4)).x, x1 + 0.05 * x0)


def test_gradient_passes_through_every_step():
    scale = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    x = solve(lambda x, t: scale * x, torch.ones(1, dtype=torch.float64), time_grid(4), "euler")
    x.backward()
    # x = (1 + s / 4)^4, dx/ds = (1 + s / 4)^3
    assert float(scale.grad) == pytest.approx((1 + 0.5 / 4) ** 3)


def test_sway_grids_rise_from_zero_to_one():
    for sway in (-1.0, -0.4, 0.0, 1.0, 1.75):
        grid = time_grid(32, sway)
        assert (grid[0], len(grid)) == (0, 33)
        assert float(grid[-1]) == pytest.approx(1.0, abs=1e-6)
        assert (grid.diff() > 0).all()
    first, last = time_grid(8, -1.0).diff()[[0, -1]]
    assert first < last / 3


@pytest.mark.parametrize(("steps", "sway"), [(0, 0.0), (-3, 0.0), (4, -1.5), (4, 3.0), (4, float("nan"))])
def test_impossible_grids_are_refused(steps, sway):
    with pytest.raises(ConfigError, match="expected"):
        time_grid(steps, sway)


def test_unknown_solver_names_the_known_ones():
    with pytest.raises(ConfigError, match="'dopri'.* midpoint"):
        solve(_decay, torch.ones(1), time_grid(1), "dopri")
