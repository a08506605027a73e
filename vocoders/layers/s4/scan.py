"""States after long inputs, and responses to initial states, block by block.

An input of length L is cut into blocks of about sqrt(L). The contribution of each block to the state is a matrix
product, and the blocks are joined by a power of the transition: L n multiply-adds in products, and sqrt(L) small steps.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from vocoders.layers.s4.discrete import DiscreteSystem, complex_column, real_column

__all__ = ["final_state", "free_response"]


def final_state(system: DiscreteSystem, u: Tensor, state: Tensor) -> Tensor:
    """Return the state after an input.

    Args:
        system: H features with n stored states.
        u: input (B, H, L), L >= 1.
        state: state before it, complex (B, H, n).

    Returns:
        Complex (B, H, n).
    """
    length = u.shape[-1]
    size = _block_size(length)
    # B, A B, A^2 B ...; the last sample of a block is multiplied by B.
    columns = _orbit(system.advance, system.input, size).flip(-1)
    missing = -length % size
    blocks = F.pad(u, (missing, 0)).unflatten(-1, (-1, size))
    added = torch.einsum("bhrm,hcm->rbhc", blocks, torch.cat([columns.real, columns.imag], dim=1).to(u.dtype))
    first = _advance_by(system, size - missing)
    later = _advance_by(system, size)
    for index, real in enumerate(added.unbind(0)):
        state = (later if index else first)(state) + complex_column(real).to(state.dtype)
    return state


def free_response(system: DiscreteSystem, state: Tensor, length: int) -> Tensor:
    """Return the output from an initial state without input: C A^(l+1) x for l < length.

    Args:
        system: H features with n stored states.
        state: complex (B, H, n).
        length: L.

    Returns:
        Real (channels, B, H, L).
    """
    size = _block_size(length)
    rows = _orbit(system.advance_output, system.advance_output(system.output), size)
    advance = _advance_by(system, size)
    states = [state]
    for _ in range(-(-length // size) - 1):
        states.append(advance(states[-1]))
    starts = torch.stack(states, dim=-2)
    rows = torch.cat([2 * rows.real, -2 * rows.imag], dim=-2)
    output = torch.einsum("bhrn,chnm->cbhrm", real_column(starts), rows)
    return output.flatten(-2)[..., :length]


def _block_size(length: int) -> int:
    """Return the power of two just above the root of ``length``, so that its powers of A need squarings alone."""
    size = 1
    while size * size < length:
        size *= 2
    return size


def _orbit(advance: Callable[[Tensor], Tensor], start: Tensor, count: int) -> Tensor:
    """Return start, advance(start), ... as (..., n, count)."""
    vectors = [start]
    for _ in range(count - 1):
        vectors.append(advance(vectors[-1]))
    return torch.stack(vectors, dim=-1)


def _advance_by(system: DiscreteSystem, count: int) -> Callable[[Tensor], Tensor]:
    """Return the function that multiplies states (B, H, n) by A^count."""
    if system.left is None:
        factor = torch.exp(system.log_poles * count)
        return lambda state: factor * state
    power = torch.linalg.matrix_power(system.real_transition(), count)
    return lambda state: complex_column(torch.einsum("hnm,bhm->bhn", power, real_column(state)))
