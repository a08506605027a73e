"""Impulse responses of discrete systems, and conversion between C and the truncated output.

The response of a diagonal system is a sum of powers. For diagonal minus rank one, the Woodbury identity combines four
transforms of such sums at the roots of unity (arXiv 2111.00396, appendix C). A transform of L values describes an
infinite response there, so its tail must be subtracted: by C' = C (1 - A^L), the truncated output. SaShiMi trains C'
itself; other models keep C. The transforms are computed from sums of powers, divided by 1 - pole^L, instead of Cauchy
products at z = 2 (1 - w) / (1 + w): no node is singular, and no tensor of (features, n, L) is needed.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from vocoders.layers.s4.discrete import DiscreteSystem, complex_row, real_row
from vocoders.layers.s4.vandermonde import PowerFactors, power_sums

__all__ = ["extend_output", "impulse_response", "recover_output", "truncate_output"]

# Largest number of values of the sums of powers in memory at a time; twice or half as many are equally fast.
_MOST_VALUES = 1 << 19


def impulse_response(system: DiscreteSystem, length: int, dtype: torch.dtype) -> Tensor:
    """Return C A^l B for l < length.

    Args:
        system: the system; if it has a rank-one part, its output must be truncated for ``length``.
        length: L.
        dtype: real type of the result and of all computation except the powers.

    Returns:
        Real (channels, H, L).
    """
    if system.left is None or system.right is None:
        return power_sums(system.output * system.input, system.log_poles, length, dtype).transpose(0, 1)
    rest = 1 / (1 - torch.exp(system.log_poles * length))
    vectors = [system.output * (system.input * rest), system.output * (system.left * rest)]
    vectors += [(system.right * system.input * rest)[None], (system.right * system.left * rest)[None]]
    return _Feedback.apply(torch.cat(vectors), system.log_poles, length, dtype)


class _Feedback(torch.autograd.Function):
    """Combine the sums of powers of a system with a rank-one part, some features at a time.

    Of the (2 channels + 2) sums for each feature the first ``channels`` lead from B to C, the next ``channels`` from
    the left factor of the rank-one part to C, one from B to its right factor, and one around the loop from left to
    right. They and their transforms are large but cheap, so the backward pass recomputes them.
    """

    @staticmethod
    def forward(ctx, coefficients: Tensor, log_poles: Tensor, length: int, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(coefficients, log_poles)
        ctx.length, ctx.dtype = length, dtype
        channels = coefficients.shape[0] // 2 - 1
        response = torch.empty(channels, len(log_poles), length, dtype=dtype, device=log_poles.device)
        for part in _feature_chunks(coefficients, length):
            factors = PowerFactors.of(log_poles[part], length, dtype)
            direct, leaving, round_trip, _ = _spectra(factors, coefficients[:, part])
            spectrum = direct.addcmul_(leaving, round_trip, value=-1)
            response[:, part] = torch.fft.irfft(spectrum, n=length).transpose(0, 1)
        return response

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]  (torch's stub asks for *gradients)
        coefficients, log_poles = ctx.saved_tensors
        length, channels = ctx.length, coefficients.shape[0] // 2 - 1
        to_coefficients, to_log = torch.empty_like(coefficients), torch.empty_like(log_poles)
        for part in _feature_chunks(coefficients, length):
            factors = PowerFactors.of(log_poles[part], length, ctx.dtype)
            spectra = _spectra(factors, coefficients[:, part])
            # Adjoints of the inverse and the forward real transform: their weights of the bins cancel.
            outgoing = torch.fft.rfft(gradient[:, part].transpose(0, 1), norm="forward")
            products = outgoing.new_empty(outgoing.shape[0], 2 * channels + 2, outgoing.shape[-1])
            _through_feedback(outgoing, *spectra[1:], products)
            to_sums = torch.fft.irfft(products, n=length, norm="forward")
            to_coefficients[:, part], to_log[part] = factors.gradients(coefficients[:, part], to_sums)
        return to_coefficients, to_log, None, None


def _spectra(factors: PowerFactors, coefficients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return direct, leaving, entering * gain and gain, with gain = w / (1 + w loop), at the roots of unity w."""
    channels = coefficients.shape[0] // 2 - 1
    spectra = torch.fft.rfft(factors.sums(coefficients))
    direct, leaving, entering, loop = spectra.split([channels, channels, 1, 1], dim=1)
    delay = _unit_circle(factors.length, loop)
    gain = torch.div(delay, (loop * delay).add_(1))
    return direct, leaving, entering.mul_(gain), gain


def _through_feedback(outgoing: Tensor, leaving: Tensor, round_trip: Tensor, gain: Tensor, products: Tensor) -> None:
    """Write the gradients of the spectra of direct, leaving, entering and loop, given that of the response.

    response = direct - leaving entering gain, and d gain / d loop = -gain^2.
    """
    channels = outgoing.shape[1]
    products[:, :channels] = outgoing
    torch.mul(outgoing, -round_trip.conj(), out=products[:, channels : 2 * channels])
    entering = (outgoing * leaving.conj()).sum(dim=1, keepdim=True).mul_(gain.conj())
    torch.mul(entering, round_trip.conj(), out=products[:, -1:])
    torch.neg(entering, out=products[:, -2:-1])


def _feature_chunks(coefficients: Tensor, length: int) -> Iterator[slice]:
    """Divide the features into chunks whose sums stay within the memory limit."""
    products, num_features, _ = coefficients.shape
    size = max(1, _MOST_VALUES // (products * length))
    return (slice(start, start + size) for start in range(0, num_features, size))


def truncate_output(system: DiscreteSystem, length: int) -> Tensor:
    """Return C (1 - A^length) for the system's C, with gradients."""
    row = real_row(system.output)
    return complex_row(row - _through_power(row, system, length))


def extend_output(system: DiscreteSystem, length: int) -> Tensor:
    """Return C (1 - A^(2 length)), where the system's output is C (1 - A^length)."""
    row = real_row(system.output)
    return complex_row(row + _through_power(row, system, length))


def recover_output(system: DiscreteSystem, length: int) -> Tensor:
    """Return C, where the system's output is C (1 - A^length)."""
    power = torch.linalg.matrix_power(system.real_transition(), length)
    remainder = torch.eye(power.shape[-1], dtype=power.dtype, device=power.device) - power
    rows = real_row(system.output).transpose(0, 1)
    return complex_row(torch.linalg.solve(remainder, rows, left=False).transpose(0, 1))


def _through_power(row: Tensor, system: DiscreteSystem, length: int) -> Tensor:
    power = torch.linalg.matrix_power(system.real_transition(), length)
    return torch.einsum("chn,hnm->chm", row, power)


def _unit_circle(length: int, like: Tensor) -> Tensor:
    """Return exp(-2 pi i f / length) for each bin of a real transform, computed in float64, in the type of ``like``."""
    angle = torch.arange(length // 2 + 1, dtype=torch.float64, device=like.device) * (-2 * math.pi / length)
    return torch.polar(torch.ones_like(angle), angle).to(like.dtype)
