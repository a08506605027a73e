"""Resampling by a windowed sinc in PyTorch: differentiable, on any device.

The interpolation of J. O. Smith, "Digital Audio Resampling Home Page", with a Hann window. With its defaults it gives
the numbers of ``torchaudio.transforms.Resample``, which published protocols name, without that package.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SincResampler", "sinc_resample"]


class SincResampler(nn.Module):
    """A polyphase filter: one convolution, with one kernel for each phase of the output.

    Args:
        orig_rate: rate of the input in Hz, or any number in the same ratio.
        new_rate: rate of the output.
        zero_crossings: of the sinc, on each side.
        rolloff: cutoff frequency as a fraction of the lower Nyquist frequency.

    Shape:
        (..., T) -> (..., ceil(T * new_rate / orig_rate)).
    """

    kernels: Tensor

    def __init__(self, orig_rate: int, new_rate: int, zero_crossings: int = 6, rolloff: float = 0.99) -> None:
        super().__init__()
        divisor = math.gcd(orig_rate, new_rate)
        self.stride, self.phases = orig_rate // divisor, new_rate // divisor
        cutoff = min(self.stride, self.phases) * rolloff
        self.width = math.ceil(zero_crossings * self.stride / cutoff)
        samples = torch.arange(-self.width, self.width + self.stride, dtype=torch.float64) / self.stride
        phases = torch.arange(self.phases, dtype=torch.float64) / self.phases
        # Time from each sample to each output, in half periods of the cutoff frequency.
        time = ((samples - phases[:, None]) * cutoff).clamp(-zero_crossings, zero_crossings)
        window = torch.cos(torch.pi * time / zero_crossings / 2).square()
        kernels = torch.sinc(time) * window * cutoff / self.stride
        # Not learned, so it does not belong into a checkpoint; in double precision until it meets the audio.
        self.register_buffer("kernels", kernels[:, None], persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Return the audio at the other rate."""
        if self.stride == self.phases:
            return audio
        length = -(-audio.shape[-1] * self.phases // self.stride)
        rows = F.pad(audio.reshape(-1, 1, audio.shape[-1]), (self.width, self.width + self.stride))
        made = F.conv1d(rows, self.kernels.to(rows), stride=self.stride).transpose(1, 2)
        return made.reshape(*audio.shape[:-1], -1)[..., :length]


def sinc_resample(
    audio: Tensor, orig_rate: int, new_rate: int, zero_crossings: int = 6, rolloff: float = 0.99
) -> Tensor:
    """Resample audio (..., T); see :class:`SincResampler`."""
    return SincResampler(orig_rate, new_rate, zero_crossings, rolloff).to(audio.device)(audio)
