"""State-space systems and their states in tiles of 32 features, for the kernels of a fused step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vocoders.core.packed_memory import filled, join
from vocoders.layers.s4.kernel import ContinuousSystem, StateSpaceKernel
from vocoders.sashimi.runtimes.fused.layout import (
    STATE,
    TIED,
    TIED_COMMON,
    TIED_HEAD,
    TILE,
    UNTIED,
    UNTIED_HEAD,
    WIDE,
)

__all__ = ["as_array", "is_tied", "state_tiles", "tied_common", "tied_tiles", "untied_tiles"]

# States are in units of p only if its smallest entry exceeds this fraction of the largest.
_LEAST_UNIT = 1e-4


def is_tied(kernel: StateSpaceKernel) -> bool:
    """Return whether all features share A = diag - p p* and B, and states can be in units of p."""
    if kernel.config.structure != "dplr" or len(kernel.A_real) > 1:
        return False
    size = np.abs(as_array(_rank_one(kernel.continuous())[0]))
    return size.min() > _LEAST_UNIT * size.max()


def tied_common(kernel: StateSpaceKernel) -> np.ndarray:
    """Return the numbers common to all features of tied systems, (n, TIED_COMMON.size)."""
    system = kernel.continuous()
    eigenvalues, p, b = (as_array(value[0])[:, None] for value in (system.eigenvalues, _rank_one(system), system.b))
    pairs = _parts(eigenvalue=eigenvalues, input=b / p, unit=p)
    return join(TIED_COMMON, weight=np.abs(p) ** 2, **pairs)


def tied_tiles(kernel: StateSpaceKernel, skip: np.ndarray) -> np.ndarray:
    """Return tied systems, with D (H,), in tiles: (tiles, TIED_HEAD.size + n TIED.size)."""
    system = kernel.continuous()
    eigenvalues, p, b = (as_array(value[0]) for value in (system.eigenvalues, _rank_one(system), system.b))
    rate = 2 / as_array(system.dt)[:, None]
    inverse = 2 / (rate - eigenvalues)
    scale = 1 / (1 + (np.abs(p) ** 2 * inverse).real.sum(axis=1, keepdims=True))
    feed = scale * (p.conj() * inverse * b).real.sum(axis=1, keepdims=True)
    output = 2 * as_array(kernel.discretise().output[0]) * p
    head = {"feedback": scale * rate, "feed": feed, "skip": skip[:, None]}
    return _tiles(TIED_HEAD, head, TIED, {"inverse": inverse, "output": output})


def untied_tiles(kernel: StateSpaceKernel, skip: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return separate systems in tiles, (tiles, UNTIED_HEAD.size + n UNTIED.size), and whether they have feedback."""
    system = kernel.discretise()
    pairs = {
        "change": np.expm1(as_array(system.log_poles)),
        "input": as_array(system.input),
        "output": 2 * as_array(system.output[0]),
    }
    if system.left is not None and system.right is not None:
        pairs |= {"right": 2 * as_array(system.right), "left": as_array(system.left)}
    return _tiles(UNTIED_HEAD, {"skip": skip[:, None]}, UNTIED, pairs), system.left is not None


def state_tiles(
    x: np.ndarray, width: int, common: np.ndarray | None = None, tiles: np.ndarray | None = None
) -> np.ndarray:
    """Return states (B, H, n) in the layout of the kernels, (tiles, B, n STATE.size + TILE).

    Args:
        x: complex states.
        width: width of vectors of the features.
        common: packed common numbers of tied systems, whose states are in units of p.
        tiles: packed tiles of tied systems, from which the feedback sum of the next step is computed.
    """
    sums = 0.0
    if common is not None:
        common = common.astype(np.float64)
        x = x / (common[:, TIED_COMMON.unit_real] + 1j * common[:, TIED_COMMON.unit_imag])
    x = np.ascontiguousarray(_in_tiles(x.swapaxes(0, 1), width).transpose(0, 2, 3, 1))
    if common is not None and tiles is not None:
        rows = tiles[:, TIED_HEAD.size :].reshape(len(tiles), 1, -1, TIED.size)
        real, imag = (rows[..., place : place + TILE] for place in (TIED.inverse_real, TIED.inverse_imag))
        products = (real * np.real(x) - imag * np.imag(x)) * common[:, TIED_COMMON.weight, None]
        sums = products.sum(axis=2)
    states = join(STATE, real=np.real(x), imag=np.imag(x)).reshape(*x.shape[:2], -1)
    return np.concatenate([states, np.broadcast_to(sums, (*x.shape[:2], TILE))], axis=2)


def as_array(value: Tensor) -> np.ndarray:
    """Return a tensor in double precision."""
    value = value.detach()
    return (value.to(torch.complex128) if value.is_complex() else value.double()).resolve_conj().numpy()


def _rank_one(system: ContinuousSystem) -> Tensor:
    """Return p of A = diag - p q^T, which every structure but a diagonal one has."""
    assert system.p is not None
    return system.p


def _tiles(head: Any, vectors: Mapping[str, np.ndarray], record: Any, pairs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Arrange real (H, 1) and complex (H, n) in tiles: a head, and a record for each state."""
    width = filled(len(next(iter(pairs.values()))), WIDE)
    heads = join(head, **{name: _in_tiles(values, width).swapaxes(1, 2) for name, values in vectors.items()})
    rows = join(record, **{name: _in_tiles(part, width).swapaxes(1, 2) for name, part in _parts(**pairs).items()})
    return np.concatenate([heads.reshape(len(heads), -1), rows.reshape(len(rows), -1)], axis=1)


def _parts(**values: np.ndarray) -> dict[str, np.ndarray]:
    """Return real and imaginary parts under their names in records."""
    return {f"{name}_{part}": getattr(value, part) for name, value in values.items() for part in ("real", "imag")}


def _in_tiles(values: np.ndarray, width: int) -> np.ndarray:
    """Divide the first axis, padded with zeros, into tiles: (H, ...) to (tiles, 32, ...)."""
    whole = np.zeros((width, *values.shape[1:]), values.dtype)
    whole[: len(values)] = values
    return whole.reshape(-1, TILE, *values.shape[1:])
