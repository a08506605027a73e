"""Flow matching: the path from noise to data, and fixed-step solvers of the flow.

A network learns the velocity field of straight paths from a prior sample x0 to a data sample x1 (conditional flow
matching with optimal transport paths, Lipman et al., arXiv 2210.02747); sampling integrates it from t = 0 to t = 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vocoders.core.errors import ConfigError
from vocoders.solvers import SOLVERS, SolverName

__all__ = ["FlowSample", "PathSample", "ProbabilityPath", "solve", "time_grid"]

Velocity = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PathSample:
    """A point on the path and the velocity there.

    Attributes:
        x: (B, C, T) point at time ``t``.
        velocity: (B, C, T) derivative of the point with respect to time; what the network has to predict.
        t: (B,) time in [0, 1].
    """

    x: Tensor
    velocity: Tensor
    t: Tensor


@dataclass(frozen=True)
class FlowSample:
    """The data of one flow matching step, made by a model from a training batch.

    Attributes:
        inputs: keyword arguments of the model's ``forward``.
        velocity: (B, C, T) target of ``forward``.
        deviation: (B, C, T) deviation of the prior, which divides errors.
    """

    inputs: dict[str, Any]
    velocity: Tensor
    deviation: Tensor


@dataclass(frozen=True)
class ProbabilityPath:
    """Straight path x_t = (1 - (1 - sigma_min) t) x0 + t x1 (arXiv 2210.02747, equation 22).

    Attributes:
        sigma_min: remaining factor of x0 at t = 1.
    """

    sigma_min: float = 1e-4

    def sample(self, x0: Tensor, x1: Tensor, t: Tensor) -> PathSample:
        """Return the point at time ``t`` between ``x0`` and ``x1``.

        Args:
            x0: (B, C, T) sample of the prior.
            x1: (B, C, T) sample of the data.
            t: (B,) times in [0, 1].
        """
        time = t.view(-1, *[1] * (x1.dim() - 1))
        shrink = 1 - self.sigma_min
        return PathSample((1 - shrink * time) * x0 + time * x1, x1 - shrink * x0, t)


def time_grid(steps: int, sway: float = 0.0) -> Tensor:
    """Return the times at which the steps of a solver begin and end.

    Args:
        steps: number of steps, at least 1.
        sway: s of t + s (cos(pi t / 2) - 1 + t) (sway sampling of F5-TTS, arXiv 2410.06885): negative values put more
            steps near t = 0; 0 is uniform. Within [-1, 2 / (pi - 2)] the grid is increasing.

    Returns:
        (steps + 1,) float32 from 0 to 1.

    Raises:
        ConfigError: for less than one step, or a sway with which times would decrease.
    """
    if steps < 1:
        raise ConfigError(f"{steps} steps; expected at least 1")
    if not -1 <= sway <= 2 / (math.pi - 2):
        raise ConfigError(f"sway {sway:g}; expected a number from -1 to {2 / (math.pi - 2):.2f}")
    t = torch.linspace(0.0, 1.0, steps + 1)
    return t + sway * (torch.cos(math.pi / 2 * t) - 1 + t) if sway else t


def solve(velocity: Velocity, x: Tensor, grid: Tensor, solver: SolverName = "euler") -> Tensor:
    """Integrate dx/dt = ``velocity(x, t)`` along ``grid``; gradients pass through every step.

    Args:
        velocity: function of x and a zero-dimensional time.
        x: the state at ``grid[0]``.
        grid: (N + 1,) increasing times.
        solver: ``euler`` (order 1), ``midpoint`` or ``heun`` (order 2, two calls a step), ``rk4`` (order 4, four
            calls a step). Heun and RK4 also call at the end of a step, at t = 1 in the last one, where a velocity field
            learned by flow matching is ill determined; midpoint is the better choice.

    Returns:
        The state at ``grid[-1]``.

    Raises:
        ConfigError: for an unknown solver.
    """
    if solver not in _STEPS:
        raise ConfigError(f"unknown solver '{solver}'; known solvers: {', '.join(SOLVERS)}")
    step = _STEPS[solver]
    grid = grid.to(x)
    for start, end in zip(grid[:-1], grid[1:], strict=True):
        x = step(velocity, x, start, end - start)
    return x


def _euler(velocity: Velocity, x: Tensor, t: Tensor, h: Tensor) -> Tensor:
    return x + h * velocity(x, t)


def _midpoint(velocity: Velocity, x: Tensor, t: Tensor, h: Tensor) -> Tensor:
    half = h / 2
    return x + h * velocity(x + half * velocity(x, t), t + half)


def _heun(velocity: Velocity, x: Tensor, t: Tensor, h: Tensor) -> Tensor:
    first = velocity(x, t)
    return x + h / 2 * (first + velocity(x + h * first, t + h))


def _rk4(velocity: Velocity, x: Tensor, t: Tensor, h: Tensor) -> Tensor:
    first = velocity(x, t)
    second = velocity(x + h / 2 * first, t + h / 2)
    third = velocity(x + h / 2 * second, t + h / 2)
    fourth = velocity(x + h * third, t + h)
    return x + h / 6 * (first + 2 * second + 2 * third + fourth)


_STEPS = {"euler": _euler, "midpoint": _midpoint, "heun": _heun, "rk4": _rk4}
