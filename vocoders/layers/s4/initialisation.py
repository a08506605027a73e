"""Initial state-space systems, computed in float64.

Every function returns the stored half of the conjugate pairs: n = N/2 complex values.
"""

import math

import torch
from torch import Tensor

from vocoders.core.errors import ConfigError

__all__ = ["cut_off", "diagonal_system", "draw_log_steps", "legs_dplr", "legs_matrices"]

# Imaginary parts of the input vector of LegS can be large; the published initialisation limits them to this value.
_LARGEST_IMAGINARY_B = 2.0


def legs_matrices(d_state: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the dense real HiPPO-LegS system: A (N, N), B (N,) and P (N,) with A + P P^T normal.

    arXiv 2111.00396, equation 2 and appendix A.
    """
    k = torch.arange(d_state, dtype=torch.float64)
    root = torch.sqrt(2 * k + 1)
    a = -torch.tril(torch.outer(root, root), -1) - torch.diag(k + 1)
    return a, root, torch.sqrt(k + 0.5)


def legs_dplr(d_state: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return HiPPO-LegS as diagonal minus rank one: A = diag(w) - p p^*.

    Returns:
        w (n,), the half with negative imaginary parts, most negative first; p (n,); b (n,), not limited; and the
        eigenvectors (N, n) whose first row is real and positive. That phase matters where b is limited.
    """
    a, b, p = legs_matrices(d_state)
    normal = a + torch.outer(p, p)
    # normal = -1/2 + skew-symmetric, so a Hermitian solver gives the imaginary parts and orthonormal eigenvectors.
    imag, vectors = torch.linalg.eigh(-1j * normal.to(torch.complex128))
    half = d_state // 2
    imag, vectors = imag[:half], vectors[:, :half]
    vectors = vectors * (vectors[0].conj() / vectors[0].abs())
    real = torch.diagonal(normal).mean().expand(half)
    project = vectors.mH
    return torch.complex(real, imag), project @ p.to(project.dtype), project @ b.to(project.dtype), vectors


def cut_off(b: Tensor) -> Tensor:
    """Limit the imaginary part of an input vector of LegS as published."""
    return torch.complex(b.real, b.imag.clamp(-_LARGEST_IMAGINARY_B, _LARGEST_IMAGINARY_B))


def diagonal_system(name: str, d_state: int) -> tuple[Tensor, Tensor]:
    """Return eigenvalues (n,) and input vector (n,) of an S4D initialisation (arXiv 2206.11893, section 4).

    Args:
        name: ``lin``, ``inv``, ``legs`` or ``real``.
        d_state: N.

    Raises:
        ConfigError: for another name.
    """
    k = torch.arange(d_state // 2, dtype=torch.float64)
    half, ones = torch.full_like(k, -0.5), torch.complex(torch.ones_like(k), torch.zeros_like(k))
    if name == "legs":
        eigenvalues, _, b, _ = legs_dplr(d_state)
        return eigenvalues, cut_off(b)
    if name == "lin":
        return torch.complex(half, -math.pi * k), ones
    if name == "inv":
        return torch.complex(half, -(d_state / math.pi) * (d_state / (2 * k + 1) - 1)), ones
    if name == "real":
        return torch.complex(-(1 + k), torch.zeros_like(k)), ones
    raise ConfigError(f"unknown initialisation '{name}'; expected legs, lin, inv or real")


def draw_log_steps(num_features: int, dt_min: float, dt_max: float) -> Tensor:
    """Draw ln(step size), uniform between the logarithms of the limits: (num_features,), float64."""
    low, high = math.log(dt_min), math.log(dt_max)
    return torch.rand(num_features).double() * (high - low) + low
