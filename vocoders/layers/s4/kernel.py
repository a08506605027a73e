"""The parameters of a state-space layer, and the kernel and the recurrence computed from them."""

from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.layers.s4.config import S4Config
from vocoders.layers.s4.convolution import fast_length
from vocoders.layers.s4.discrete import DiscreteSystem, discretise_diagonal, discretise_dplr
from vocoders.layers.s4.initialisation import cut_off, diagonal_system, draw_log_steps, legs_dplr
from vocoders.layers.s4.response import extend_output, impulse_response, recover_output, truncate_output

__all__ = ["ContinuousSystem", "StateSpaceKernel", "copy_weights"]

_LEAST_RATE = 1e-4


class ContinuousSystem(NamedTuple):
    """A continuous system for each of H features: x' = (diag(eigenvalues) - p q^T) x + b u, y = Re(c x).

    All but ``dt`` (H,) are complex, (H, n) and (channels, H, n) for ``c``; ``p`` and ``q`` are None if A is diagonal.
    """

    eigenvalues: Tensor
    p: Tensor | None
    q: Tensor | None
    b: Tensor
    c: Tensor
    dt: Tensor


class StateSpaceKernel(nn.Module):
    """Parameters of H state-space systems.

    Parameters (n = N/2 stored states, S systems that the features use cyclically): ``inv_dt`` (H,), ``A_real`` and
    ``A_imag`` (S, n) with eigenvalues -exp(A_real) - i A_imag, and as real views of complex numbers ``B`` (S, n, 2),
    ``P`` (S, n, 2) and ``C`` (channels, H, n, 2). ``dplr_free`` stores the real parts directly in ``A_real`` and adds
    ``Q`` (S, n, 2).

    With ``kernel_length`` the parameter C stores C (1 - A^kernel_length), as published: every kernel is computed at
    that length and then cut, and a longer kernel is possible without changing the parameter. Without it the parameter
    stores C itself, and kernels of any length are exact; for a ``dplr`` structure every forward and backward pass then
    computes powers of A.

    Args:
        num_features: H.
        config: see :class:`S4Config`.
        kernel_length: length for which C is truncated, or None.
    """

    def __init__(self, num_features: int, config: S4Config, kernel_length: int | None = None) -> None:
        super().__init__()
        systems = config.num_systems or num_features
        if num_features % systems:
            raise ConfigError(f"num_systems {systems} does not divide {num_features} features")
        self._kept: tuple[tuple[Any, ...], DiscreteSystem] | None = None
        self.config = config
        self.num_features = num_features
        self.kernel_length = kernel_length if config.structure != "diagonal" else None
        eigenvalues, p, b = _initial_systems(config, systems)
        free = config.structure == "dplr_free"
        log_dt = draw_log_steps(num_features, config.dt_min, config.dt_max)
        soft = config.dt_transform == "softplus"
        self.inv_dt = _parameter(torch.log(torch.expm1(log_dt.exp().clamp(min=1e-4))) if soft else log_dt)
        rate = (-eigenvalues.real).clamp(min=_LEAST_RATE)
        self.A_real = _parameter(-rate if free else torch.log(rate))
        # As published, the floor also shifts the zero frequency of 'lin' and 'real'.
        self.A_imag = _parameter((-eigenvalues.imag).abs().clamp(min=_LEAST_RATE))
        self.B = _parameter(torch.view_as_real(b))
        if p is not None:
            self.P = _parameter(torch.view_as_real(p))
            if free:
                self.Q = _parameter(torch.view_as_real(p.conj().resolve_conj()))
        channels = 2 if config.bidirectional else 1
        c = torch.randn(channels, num_features, config.d_state // 2, dtype=torch.complex64)
        self.C = _parameter(torch.view_as_real(c))
        if self.kernel_length is not None:
            with torch.no_grad():
                truncated = truncate_output(_discretise(self.continuous(), config), self.kernel_length)
                self.C.copy_(torch.view_as_real(truncated))

    def continuous(self, rate: float = 1.0) -> ContinuousSystem:
        """Return the systems in double precision, one per feature, with ``c`` as stored.

        Args:
            rate: factor on the step sizes; 2 is for a signal of half the sample rate.
        """
        tile = torch.arange(self.num_features, device=self.A_real.device) % self.A_real.shape[0]
        real = self.A_real.double()
        real = real if self.config.structure == "dplr_free" else -torch.exp(real)
        eigenvalues = torch.complex(real, -self.A_imag.double())[tile]
        inv_dt = self.inv_dt.double()
        dt = rate * (F.softplus(inv_dt) if self.config.dt_transform == "softplus" else torch.exp(inv_dt))
        p = q = None
        if self.config.structure != "diagonal":
            p = _complex(self.P)[tile]
            q = _complex(self.Q)[tile] if self.config.structure == "dplr_free" else p.conj()
        return ContinuousSystem(eigenvalues, p, q, _complex(self.B)[tile], _complex(self.C), dt)

    def discretise(self) -> DiscreteSystem:
        """Return the recurrence in double precision, with the untruncated C as output.

        Powers of A take seconds in a large model: without gradients the recurrence is kept until a parameter changes.
        """
        if torch.is_grad_enabled() or any(parameter.is_inference() for parameter in self.parameters()):
            return self._discretise()
        state = tuple((parameter.data_ptr(), parameter._version, parameter.dtype) for parameter in self.parameters())
        if self._kept is None or self._kept[0] != state:
            self._kept = (state, self._discretise())
        return self._kept[1]

    def _discretise(self) -> DiscreteSystem:
        with torch.autocast(self.inv_dt.device.type, enabled=False):
            system = _discretise(self.continuous(), self.config)
            if self.kernel_length is None:
                return system
            return system.with_output(recover_output(system, self.kernel_length))

    def forward(self, length: int, rate: float = 1.0) -> Tensor:
        """Return the kernels of ``length`` samples, real (channels, H, length).

        Args:
            length: number of samples.
            rate: factor on the step sizes; with ``kernel_length`` that length must be a multiple of it.
        """
        if length < 1:
            raise ShapeError(f"a kernel of {length} samples; expected at least 1")
        dtype = torch.float64 if self.config.precision == "double" else torch.float32
        with torch.autocast(self.inv_dt.device.type, enabled=False):
            system = _discretise(self.continuous(rate), self.config)
            computed = length
            if self.config.structure != "diagonal":
                computed, output = self._truncated(system, length, rate)
                system = system.with_output(output)
            return impulse_response(system, computed, dtype)[..., :length].to(self.inv_dt.dtype)

    def _truncated(self, system: DiscreteSystem, length: int, rate: float) -> tuple[int, Tensor]:
        """Return the length >= ``length`` for which the output vector is truncated, and that vector."""
        if self.kernel_length is None:
            length = fast_length(length)
            if not torch.is_grad_enabled():
                return length, truncate_output(system, length)
            # Autograd would keep log2(length) powers of every transition for the backward pass.
            truncated = checkpoint(truncate_output, system, length, use_reentrant=False, preserve_rng_state=False)
            return length, cast(Tensor, truncated)  # torch leaves open what it returns
        stored = self.kernel_length / rate
        if stored != int(stored):
            raise ConfigError(f"rate {rate} does not divide the kernel length {self.kernel_length}")
        stored = int(stored)
        while stored < length:
            system = system.with_output(extend_output(system, stored))
            stored *= 2
        return stored, system.output


@torch.no_grad()
def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy all weights between models that differ at most in the truncation lengths of their kernels.

    C (1 - A^length) is converted from one length to the other, so that both models have the same recurrences.

    Raises:
        RuntimeError: if a weight is missing, left over or of another shape.
    """
    target.load_state_dict(source.state_dict())
    for kernel, original in zip(target.modules(), source.modules(), strict=True):
        if not (isinstance(kernel, StateSpaceKernel) and isinstance(original, StateSpaceKernel)):
            continue
        if kernel.kernel_length == original.kernel_length:
            continue
        system = original.discretise()
        if kernel.kernel_length is not None:
            system = system.with_output(truncate_output(system, kernel.kernel_length))
        kernel.C.copy_(torch.view_as_real(system.output))


def _initial_systems(config: S4Config, systems: int) -> tuple[Tensor, Tensor | None, Tensor]:
    """Return eigenvalues (S, n), P (S, n) or None, and B (S, n)."""
    if config.structure != "diagonal":
        eigenvalues, p, b, _ = legs_dplr(config.d_state)
        return eigenvalues.repeat(systems, 1), p.repeat(systems, 1), cut_off(b).repeat(systems, 1)
    if config.initialisation == "inv_lin":
        if systems % 2:
            raise ConfigError(f"initialisation 'inv_lin' needs an even number of systems, not {systems}")
        halves = [diagonal_system(name, config.d_state) for name in ("inv", "lin")]
        eigenvalues, b = (torch.stack(pair).repeat_interleave(systems // 2, 0) for pair in zip(*halves, strict=True))
        return eigenvalues, None, b
    eigenvalues, b = diagonal_system(config.initialisation, config.d_state)
    return eigenvalues.repeat(systems, 1), None, b.repeat(systems, 1)


def _discretise(system: ContinuousSystem, config: S4Config) -> DiscreteSystem:
    if system.p is None or system.q is None:
        return discretise_diagonal(system.eigenvalues, system.b, system.c, system.dt, config.discretisation)
    return discretise_dplr(system.eigenvalues, system.p, system.q, system.b, system.c, system.dt)


def _parameter(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value.detach().to(torch.get_default_dtype()).clone())


def _complex(stored: Tensor) -> Tensor:
    return torch.view_as_complex(stored.double().contiguous())
