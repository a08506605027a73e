"""Names of the fixed-step solvers that integrate a flow; :func:`vocoders.flow.solve` runs them.

They are separate from the mathematics, so that listing them does not import torch.
"""

from typing import Literal, get_args

__all__ = ["SOLVERS", "SolverName", "calls_per_step"]

SolverName = Literal["euler", "midpoint", "heun", "rk4"]
SOLVERS: tuple[SolverName, ...] = get_args(SolverName)


def calls_per_step(solver: SolverName) -> int:
    """Return the number of velocity calls of ``solver`` in a step."""
    return {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}[solver]
