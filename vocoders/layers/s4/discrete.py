"""Discrete state-space systems: x[t] = A x[t-1] + B u[t], y[t] = Re(C x[t]).

The output reads the new state, so the impulse response starts with C B. States come in conjugate pairs; x contains one
of each pair, and a sum over all states is twice the real part of the sum over the stored half. The transition is
diagonal, or diagonal minus rank one: A = diag(poles) - left right^T over all N states. The bilinear transform preserves
this form, so one step costs O(N) in both cases.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = [
    "DiscreteSystem",
    "complex_column",
    "complex_row",
    "discretise_diagonal",
    "discretise_dplr",
    "real_column",
    "real_row",
]


@dataclass(frozen=True)
class DiscreteSystem:
    """A discrete system for each of H features.

    Attributes:
        log_poles: logarithm of ``poles``, complex (H, n).
        poles: diagonal of the transition, complex (H, n).
        input: B, complex (H, n).
        output: C, complex (channels, H, n).
        left: left factor of the rank-one part, complex (H, n), or None.
        right: right factor (multiplied without conjugation), complex (H, n), or None.
    """

    log_poles: Tensor
    poles: Tensor
    input: Tensor
    output: Tensor
    left: Tensor | None = None
    right: Tensor | None = None

    def to(self, *args: torch.dtype | torch.device) -> "DiscreteSystem":
        """Return the system with its tensors converted; ``args`` are those of :meth:`torch.Tensor.to`."""
        moved = {name: value.to(*args) for name, value in vars(self).items() if value is not None}
        return DiscreteSystem(**moved)

    def with_output(self, output: Tensor) -> "DiscreteSystem":
        """Return the system with another C."""
        return replace(self, output=output)

    def advance(self, state: Tensor) -> Tensor:
        """Return A x for states (..., H, n)."""
        moved = self.poles * state
        if self.left is None or self.right is None:
            return moved
        return moved - self.left * _paired_sum(self.right * state)[..., None]

    def advance_output(self, output: Tensor) -> Tensor:
        """Return C A for row vectors (..., H, n)."""
        moved = output * self.poles
        if self.left is None or self.right is None:
            return moved
        return moved - _paired_sum(output * self.left)[..., None] * self.right

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Advance by one sample.

        Args:
            u: input (..., H), real.
            state: (..., H, n), complex.

        Returns:
            Output (channels, ..., H), real, and the new state.
        """
        state = self.advance(state) + self.input * u[..., None]
        shape = (self.output.shape[0],) + (1,) * (state.dim() - 2) + self.output.shape[1:]
        return _paired_sum(self.output.view(shape) * state), state

    def real_transition(self) -> Tensor:
        """Return A as a real matrix (H, 2n, 2n) acting on (Re x, Im x).

        It is similar to the complex matrix by a multiple of a unitary matrix, so a contraction remains a contraction.
        """
        own = torch.diag_embed(self.poles)
        mirrored = torch.zeros_like(own)
        if self.left is not None and self.right is not None:
            own = own - self.left[..., :, None] * self.right[..., None, :]
            mirrored = -self.left[..., :, None] * self.right.conj()[..., None, :]
        total, difference = own + mirrored, own - mirrored
        top = torch.cat([total.real, -difference.imag], dim=-1)
        return torch.cat([top, torch.cat([total.imag, difference.real], dim=-1)], dim=-2)


def discretise_diagonal(eigenvalues: Tensor, b: Tensor, c: Tensor, dt: Tensor, method: str) -> DiscreteSystem:
    """Discretise a diagonal system.

    Args:
        eigenvalues: complex (H, n).
        b: complex (H, n).
        c: complex (channels, H, n).
        dt: step sizes, real (H,).
        method: ``zoh`` (input held over a step) or ``bilinear``.
    """
    scaled = dt[:, None] * eigenvalues
    if method == "zoh":
        poles = torch.exp(scaled)
        return DiscreteSystem(scaled, poles, b * (poles - 1) / eigenvalues, c)
    inverse = 1 / (1 - scaled / 2)
    poles = (1 + scaled / 2) * inverse
    return DiscreteSystem(torch.log(poles), poles, dt[:, None] * b * inverse, c)


def discretise_dplr(eigenvalues: Tensor, p: Tensor, q: Tensor, b: Tensor, c: Tensor, dt: Tensor) -> DiscreteSystem:
    """Discretise A = diag(eigenvalues) - p q^T by the bilinear transform.

    With D = (2/dt - eigenvalues)^-1 and t = 2 Re sum q D p, the Woodbury identity gives
    (1 - dt/2 A)^-1 (1 + dt/2 A) = diag(poles) - (D p) (q (1 + poles) / (1 + t))^T.

    Args:
        eigenvalues: complex (H, n).
        p: complex (H, n).
        q: complex (H, n); conj(p) in Hurwitz form.
        b: complex (H, n).
        c: complex (channels, H, n).
        dt: step sizes, real (H,).
    """
    rate = 2 / dt[:, None]
    inverse = 1 / (rate - eigenvalues)
    poles = (rate + eigenvalues) * inverse
    left = inverse * p
    scale = 1 / (1 + _paired_sum(q * left))[:, None]
    new_input = 2 * (inverse * b - left * scale * _paired_sum(q * inverse * b)[:, None])
    return DiscreteSystem(torch.log(poles), poles, new_input, c, left, q * (1 + poles) * scale)


def real_column(x: Tensor) -> Tensor:
    """Return states or input vectors (..., n) as real vectors (..., 2n)."""
    return torch.cat([x.real, x.imag], dim=-1)


def real_row(c: Tensor) -> Tensor:
    """Return output vectors (..., n) as real rows (..., 2n): their product with a column is the paired sum."""
    return torch.cat([2 * c.real, -2 * c.imag], dim=-1)


def complex_column(x: Tensor) -> Tensor:
    """Invert :func:`real_column`."""
    return torch.complex(*x.chunk(2, dim=-1))


def complex_row(c: Tensor) -> Tensor:
    """Invert :func:`real_row`."""
    real, imag = c.chunk(2, dim=-1)
    return torch.complex(real / 2, -imag / 2)


def _paired_sum(terms: Tensor) -> Tensor:
    """Sum over all N states; the last axis contains one of each conjugate pair."""
    return 2 * terms.real.sum(dim=-1)
