"""Short-time Fourier transform and its inverse, with exact lengths.

With ``padding="same"`` a signal of ``T`` samples gives ``T // hop_length`` frames, frame ``n`` is centred at sample
``n * hop_length + hop_length / 2``, and the inverse of ``N`` frames has exactly ``N * hop_length`` samples.
``padding="center"`` is torch's and librosa's convention (frame ``n`` centred at ``n * hop_length``, one frame more).

The transform works on the real and imaginary parts as separate tensors, so that networks never hold complex
parameters; with ``real_valued=True`` the transform itself is a convolution with cosines and sines, which ONNX can
export.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.checks import check_audio
from vocoders.core.errors import ShapeError

# Not every length has a transform in half precision; transforms run in float32 instead.
_HALF = (torch.float16, torch.bfloat16)

__all__ = ["STFT", "fourier_kernels", "from_log_magnitude_phase", "log_magnitude_phase"]


class STFT(nn.Module):
    """Invertible STFT with a periodic Hann window.

    Args:
        n_fft: transform and window length in samples.
        hop_length: distance between frames in samples.
        padding: ``"same"`` (zeros, ``T // hop_length`` frames) or ``"center"`` (reflection, one frame more).
        norm: ``"backward"`` (no scaling forward) or ``"ortho"``.
        real_valued: compute by convolution with cosine and sine kernels instead of an FFT (for export).

    Shape:
        ``forward``: (B, T) or (B, 1, T) -> real (B, n_fft // 2 + 1, N), imaginary (B, n_fft // 2 + 1, N).
        ``inverse``: two tensors (B, n_fft // 2 + 1, N) -> (B, 1, N * hop_length).
    """

    window: Tensor
    squared_window: Tensor
    analysis_kernel: Tensor
    synthesis_kernel: Tensor

    def __init__(
        self, n_fft: int, hop_length: int, padding: str = "same", norm: str = "backward", real_valued: bool = False
    ) -> None:
        super().__init__()
        if padding not in ("same", "center"):
            raise ValueError(f"padding is '{padding}', expected 'same' or 'center'")
        if norm not in ("backward", "ortho"):
            raise ValueError(f"norm is '{norm}', expected 'backward' or 'ortho'")
        # The window begins with a zero: with larger hops some samples are covered by no window and have no inverse.
        if not 0 < hop_length <= n_fft - 2:
            raise ValueError(f"hop_length {hop_length} must lie in 1..n_fft - 2 ({n_fft - 2})")
        self.n_fft, self.hop_length, self.padding, self.norm = n_fft, hop_length, padding, norm
        self.real_valued = real_valued
        window = torch.hann_window(n_fft)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("squared_window", window**2, persistent=False)
        if real_valued:
            analysis, synthesis = fourier_kernels(window, norm)
            self.register_buffer("analysis_kernel", analysis, persistent=False)
            self.register_buffer("synthesis_kernel", synthesis, persistent=False)

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Return the real and imaginary parts of the spectrogram of ``signal``."""
        if not isinstance(signal, Tensor) or not signal.is_floating_point():
            signal = check_audio(signal, "BT", "B1T", dtype=self.window.dtype)
        if signal.dim() == 3 and signal.shape[1] == 1:
            signal = signal[:, 0]
        if signal.dim() != 2:
            raise ShapeError(f"STFT input of shape {tuple(signal.shape)}; expected (B, T) or (B, 1, T)")
        return self.transform(self._pad(signal.float() if signal.dtype in _HALF else signal))

    def transform(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spectrogram of ``signal`` (B, T) without padding: the frames that lie within it."""
        if self.real_valued:
            spectrum = F.conv1d(signal[:, None], self.analysis_kernel, stride=self.hop_length)
            real, imag = spectrum.chunk(2, dim=1)
            return real, imag
        frames = signal.unfold(-1, self.n_fft, self.hop_length) * self.window
        spectrum = torch.fft.rfft(frames, norm=self.norm).transpose(1, 2)
        return spectrum.real, spectrum.imag

    def inverse(self, real: Tensor, imag: Tensor) -> Tensor:
        """Return the signal of the spectrogram (real, imag) by windowed overlap-add."""
        signal, envelope = self.overlap_add(real, imag)
        start, length = self._crop(real.shape[-1])
        return signal[..., start : start + length] / envelope[..., start : start + length]

    def overlap_add(self, real: Tensor, imag: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the windowed frames, (B, 1, (N - 1) * hop_length + n_fft), and that of squared windows.

        The quotient of the two is the signal, padding included.
        """
        num_frames = real.shape[-1]
        if real.dtype in _HALF:
            real, imag = real.float(), imag.float()
        if self.real_valued:
            signal = F.conv_transpose1d(torch.cat([real, imag], 1), self.synthesis_kernel, stride=self.hop_length)
            # Made from the input, so that an export does not take their number for a constant.
            ones = real[:1, :1] * 0 + 1
            envelope = F.conv_transpose1d(ones, self.squared_window[None, None], stride=self.hop_length)
        else:
            # Along the last axis: torch.compile fails at the gradient along another one.
            spectrum = torch.complex(real, imag).transpose(1, 2).contiguous()
            frames = torch.fft.irfft(spectrum, n=self.n_fft, norm=self.norm) * self.window
            signal = self._overlap_add(frames.transpose(1, 2))
            envelope = self._overlap_add(self.squared_window[None, :, None].expand(1, -1, num_frames))
        return signal, envelope

    @property
    def margins(self) -> tuple[int, int]:
        """Samples by which ``same`` padding extends a signal on the left and on the right."""
        left = (self.n_fft - self.hop_length) // 2
        return left, self.n_fft - self.hop_length - left

    def _pad(self, signal: Tensor) -> Tensor:
        if self.padding == "center":
            if signal.shape[-1] <= self.n_fft // 2:
                raise ShapeError(
                    f"{signal.shape[-1]} samples; centre padding needs more than n_fft / 2 = {self.n_fft // 2}"
                )
            return F.pad(signal, (self.n_fft // 2, self.n_fft // 2), mode="reflect")
        if signal.shape[-1] < self.hop_length:
            raise ShapeError(f"{signal.shape[-1]} samples; at least one hop of {self.hop_length} is needed")
        return F.pad(signal, self.margins)

    def _crop(self, num_frames: int) -> tuple[int, int]:
        if self.padding == "center":
            return self.n_fft // 2, max(num_frames - 1, 1) * self.hop_length
        return self.margins[0], num_frames * self.hop_length

    def _overlap_add(self, frames: Tensor) -> Tensor:
        length = (frames.shape[-1] - 1) * self.hop_length + self.n_fft
        return F.fold(frames, (1, length), (1, self.n_fft), stride=(1, self.hop_length))[:, 0]


def fourier_kernels(window: Tensor, norm: str) -> tuple[Tensor, Tensor]:
    """Return the windowed Fourier basis as convolution kernels, each (2 * bins, 1, n_fft)."""
    n_fft = window.numel()
    bins = n_fft // 2 + 1
    angle = 2 * math.pi * torch.outer(torch.arange(bins), torch.arange(n_fft)).remainder(n_fft).double() / n_fft
    weight = torch.full((bins, 1), 2.0, dtype=torch.float64)
    weight[0] = 1.0
    if n_fft % 2 == 0:
        weight[-1] = 1.0
    forward_scale, inverse_scale = (n_fft**-0.5, n_fft**-0.5) if norm == "ortho" else (1.0, 1.0 / n_fft)
    cosine, sine = angle.cos(), angle.sin()
    # Exactly 0, so that the imaginary parts at both ends of the spectrum have no sign by rounding.
    sine[sine.abs() < 1e-12] = 0
    analysis = torch.cat([cosine, -sine]) * forward_scale
    synthesis = torch.cat([weight * cosine, -weight * sine]) * inverse_scale
    analysis, synthesis = ((kernel * window.double()).float()[:, None] for kernel in (analysis, synthesis))
    return analysis, synthesis


def log_magnitude_phase(real: Tensor, imag: Tensor) -> tuple[Tensor, Tensor]:
    """Convert (real, imag) to (natural log of the magnitude, floored at 1e-5; phase in radians)."""
    magnitude = torch.sqrt(torch.clamp(real**2 + imag**2, min=1e-10))
    return torch.log(magnitude), _phase(real, imag)


def _phase(real: Tensor, imag: Tensor) -> Tensor:
    if not torch.onnx.is_in_onnx_export():
        return torch.atan2(imag, real)
    # ONNX has no atan2. The imaginary part is 0 at both ends of the spectrum, and there the phase is 0 or pi, not -pi.
    angle = torch.atan(imag / torch.where(real == 0, 1e-30, real))
    return torch.where(real < 0, angle + torch.where(imag >= 0, math.pi, -math.pi), angle)


def from_log_magnitude_phase(log_magnitude: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Convert (log magnitude, phase) to (real, imag); the magnitude is limited to 100."""
    magnitude = torch.clamp(torch.exp(log_magnitude), max=100.0)
    return magnitude * torch.cos(phase), magnitude * torch.sin(phase)
