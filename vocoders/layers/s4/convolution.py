"""Long convolutions by FFT."""

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor

__all__ = ["fast_length", "long_convolution"]


def fast_length(least: int) -> int:
    """Return the smallest even number >= ``least`` without prime factors above 5."""
    return 2 * next_fast_len(-(-least // 2), real=True)  # pyright: ignore[reportOperatorIssue]  (scipy's stub)


def long_convolution(u: Tensor, kernel: Tensor) -> Tensor:
    """Convolve each feature with its own kernel, causally or in both directions.

    Args:
        u: (B, H, L).
        kernel: (1, H, K) or (2, H, K), K <= L. The second kernel starts at the next sample, so that the present is not
            counted twice: y[t] = sum_j k0[j] u[t-j] + sum_j k1[j] u[t+1+j].

    Returns:
        (B, H, L).
    """
    kernel_length = kernel.shape[-1]
    size = fast_length(u.shape[-1] + kernel_length)
    ring = F.pad(kernel[0], (0, size - kernel_length))
    if kernel.shape[0] == 2:
        ring = ring + F.pad(kernel[1].flip(-1), (size - kernel_length, 0))
    return _CircularConvolution.apply(u, ring)


class _CircularConvolution(torch.autograd.Function):
    """Convolve (B, H, L) circularly with (H, S), S >= L; the backward pass recomputes the spectra."""

    @staticmethod
    def forward(ctx, u: Tensor, ring: Tensor) -> Tensor:
        ctx.save_for_backward(u, ring)
        size = ring.shape[-1]
        spectrum = torch.fft.rfft(u, size).mul_(torch.fft.rfft(ring))
        return torch.fft.irfft(spectrum, n=size)[..., : u.shape[-1]].contiguous()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:  # pyright: ignore[reportIncompatibleMethodOverride]  (torch's stub asks for *gradients)
        u, ring = ctx.saved_tensors
        size = ring.shape[-1]
        spectrum = torch.fft.rfft(gradient, size)
        grad_u = grad_ring = None
        # A product of spectra is a circular convolution; with a conjugate it is a correlation, the adjoint.
        if ctx.needs_input_grad[1]:
            products = torch.fft.rfft(u, size).conj_physical_().mul_(spectrum)
            grad_ring = torch.fft.irfft(products[0] if len(u) == 1 else products.sum(dim=0), n=size)
        if ctx.needs_input_grad[0]:
            spectrum.mul_(torch.fft.rfft(ring).conj_physical_())
            grad_u = torch.fft.irfft(spectrum, n=size)[..., : u.shape[-1]].contiguous()
        return grad_u, grad_ring
