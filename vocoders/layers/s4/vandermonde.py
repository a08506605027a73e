"""Sums of powers (Vandermonde products) by two levels of matrix products.

The kernel of a diagonal system is K[l] = 2 Re sum_n c_n a_n^l. With l = i M + j the power splits into a_n^(i M) a_n^j,
so the sum over n is the product of an (L/M, 2n) and a (2n, M) matrix: 2 n L multiply-adds, only 2 sqrt(L) powers per
pole, and no tensor of (features, n, L). The backward pass recomputes the factors.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["PowerFactors", "block_length", "power_sums", "powers"]


def block_length(length: int) -> int:
    """Return the divisor of ``length`` just above its root, or the rounded root if that divisor is far away."""
    root = max(1, math.isqrt(length - 1) + 1) if length > 1 else 1
    return next((size for size in range(root, 2 * root) if length % size == 0), root)


def powers(log_base: Tensor, count: int) -> Tensor:
    """Return exp(log_base * k) for k < count: (..., n) gives complex (..., count, n), a product of two short tables."""
    inner = block_length(count)
    steps = torch.arange(inner, dtype=log_base.real.dtype, device=log_base.device)[:, None]
    fine = torch.exp(log_base[..., None, :] * steps)
    coarse = torch.exp(log_base[..., None, :] * (inner * steps[: -(-count // inner)]))
    return (coarse[..., :, None, :] * fine[..., None, :, :]).flatten(-3, -2)[..., :count, :]


class PowerFactors(NamedTuple):
    """The factors of L sums of powers.

    The powers are computed in the precision of the poles, because an error in the phase of a pole is multiplied by l;
    the matrix products may then run in a lower one.

    Attributes:
        coarse: poles^(i M), complex (H, ceil(L / M), n).
        fine: poles^j for j < M, complex (H, M, n).
        length: L.
        dtype: real type of the matrix products.
    """

    coarse: Tensor
    fine: Tensor
    length: int
    dtype: torch.dtype

    @classmethod
    def of(cls, log_poles: Tensor, length: int, dtype: torch.dtype) -> "PowerFactors":
        """Compute the powers of poles (H, n), given by their logarithms."""
        inner = block_length(length)
        return cls(powers(log_poles * inner, -(-length // inner)), powers(log_poles, inner), length, dtype)

    def sums(self, coefficients: Tensor) -> Tensor:
        """Return 2 Re sum_n coefficients[p, h, n] poles[h, n]^l for l < L: (P, H, n) gives real (H, P, L)."""
        sums = torch.bmm(self._left(coefficients), self._right().transpose(1, 2))
        return sums.unflatten(1, (coefficients.shape[0], -1)).flatten(2)[..., : self.length]

    def gradients(self, coefficients: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of coefficients (P, H, n) and logarithms of poles (H, n), given that of the sums."""
        num_features, num_outer, num_states = self.coarse.shape
        inner, real = self.fine.shape[1], self.coarse.real.dtype
        gradient = F.pad(gradient, (0, num_outer * inner - self.length)).reshape(num_features, -1, inner)
        to_left = _complex(torch.bmm(gradient, self._right()).to(real)).view(num_features, -1, num_outer, num_states)
        shared = to_left.mul_(self.coarse.conj()[:, None])
        to_coefficients = shared.sum(dim=2).transpose(0, 1)
        exponent = torch.arange(num_outer, dtype=real, device=gradient.device) * inner
        to_log = (coefficients.conj() * shared.mul_(exponent[:, None]).sum(dim=2).transpose(0, 1)).sum(dim=0)
        to_right = _complex(torch.bmm(gradient.transpose(1, 2), self._left(coefficients)).to(real))
        exponent = torch.arange(inner, dtype=real, device=gradient.device)
        return to_coefficients, to_log + 2 * (to_right * self.fine * exponent[:, None]).sum(dim=1).conj()

    def _left(self, coefficients: Tensor) -> Tensor:
        """Return the scaled coarse powers as real rows (H, P * ceil(L / M), 2n)."""
        # Contiguous, since the product would otherwise inherit the strides of the coefficients and be copied.
        scaled = self.coarse[:, None] * coefficients.transpose(0, 1).contiguous()[:, :, None]
        return torch.view_as_real(scaled).flatten(-2).flatten(1, 2).to(self.dtype)

    def _right(self) -> Tensor:
        """Return twice the conjugate fine powers as real rows (H, M, 2n): real rows multiply as Re(a conj(b))."""
        return torch.view_as_real((2 * self.fine).conj_physical_()).flatten(-2).to(self.dtype)


def _complex(rows: Tensor) -> Tensor:
    return torch.view_as_complex(rows.unflatten(-1, (-1, 2)))


def power_sums(coefficients: Tensor, log_poles: Tensor, length: int, dtype: torch.dtype) -> Tensor:
    """Return 2 Re sum_n coefficients[p, h, n] poles[h, n]^l for l < length, with gradients.

    Args:
        coefficients: complex (P, H, n).
        log_poles: logarithm of the poles, complex (H, n).
        length: number of powers L.
        dtype: real type of the matrix products and of the result.

    Returns:
        Real (H, P, L).
    """
    return _PowerSums.apply(coefficients, log_poles, length, dtype)


class _PowerSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, coefficients: Tensor, log_poles: Tensor, length: int, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(coefficients, log_poles)
        ctx.length, ctx.dtype = length, dtype
        return PowerFactors.of(log_poles, length, dtype).sums(coefficients)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]  (torch's stub asks for *gradients)
        coefficients, log_poles = ctx.saved_tensors
        factors = PowerFactors.of(log_poles, ctx.length, ctx.dtype)
        return *factors.gradients(coefficients, gradient), None, None
