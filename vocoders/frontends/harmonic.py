"""Harmonic priors: the excitation signals of source-filter vocoders.

A prior is a waveform made from frame-wise F0, so it already has the right pitch. All priors hold F0 constant over a
frame, accumulate the phase in float64 and add white noise everywhere, voiced or not. Random numbers are arguments: the
noise ``(B, 1, T)`` and the start phase in cycles: ``(1, 1)`` shifts the whole batch in time, ``(B, 1)`` each item.

Source: Wavehax (arXiv 2411.06807), the pseudo-constant-power harmonic prior ``pcph`` and its alternatives.
"""

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from vocoders.core.config import Config
from vocoders.core.errors import ShapeError
from vocoders.core.sinc_resampling import sinc_resample

__all__ = ["PriorConfig", "draw_prior_noise", "draw_prior_phase", "harmonic_sum", "hold_frames", "make_prior"]

PriorName = Literal["pcph", "pcph_linear_decay", "sine", "sawtooth", "noise"]
_NOISE_AMPLITUDE = {"noise": 1.0, "sine": 0.03, "sawtooth": 0.03, "pcph": 0.01, "pcph_linear_decay": 0.01}


class PriorConfig(Config):
    """Kind and constants of a prior.

    Attributes:
        name: ``pcph`` (harmonics of equal amplitude and constant total power), ``pcph_linear_decay`` (the same power,
            amplitude falling linearly to zero at the top frequency), ``sine``, ``sawtooth`` or ``noise``.
        power_factor: RMS of the harmonic part of the pcph priors.
        noise_amplitude: standard deviation of the added white noise; ``None``: the prior's published value.
        max_frequency: top frequency in Hz of the pcph priors; ``None``: half the sample rate. For ``pcph`` it only
            limits the number of harmonics of the lowest F0 of the batch, as in the published code.
        oversampling: oversampling factor at which the sawtooth is generated before it is resampled.
    """

    name: PriorName = "pcph"
    power_factor: float = Field(default=0.1, gt=0)
    noise_amplitude: float | None = Field(default=None, ge=0)
    max_frequency: float | None = Field(default=None, gt=0)
    oversampling: int = Field(default=8, ge=1)

    @property
    def noise_level(self) -> float:
        """Standard deviation of the added noise."""
        return _NOISE_AMPLITUDE[self.name] if self.noise_amplitude is None else self.noise_amplitude


def draw_prior_noise(f0: Tensor, hop_length: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw the white noise of a prior: standard normal (B, 1, F * hop_length), float32.

    The numbers are drawn on the CPU and moved, so that a seed gives the same noise on every device.
    """
    shape = (f0.shape[0], 1, f0.shape[-1] * hop_length)
    return torch.randn(shape, generator=generator).to(f0.device)


def draw_prior_phase(f0: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw the common start phase of a batch, uniform in [0, 1) cycles, shape (1, 1)."""
    return torch.rand((1, 1), generator=generator).to(f0.device)


def make_prior(
    f0: Tensor,
    hop_length: int,
    sample_rate: int,
    config: PriorConfig,
    noise: Tensor | None = None,
    phase: Tensor | None = None,
) -> Tensor:
    """Make the prior waveform of ``f0``.

    Args:
        f0: (B, 1, F) in Hz, 0 where unvoiced.
        hop_length: samples per frame.
        sample_rate: in Hz.
        config: the prior.
        noise: standard normal (B, 1, F * hop_length), see :func:`draw_prior_noise`; ``None``: no noise.
        phase: start phase in cycles (1, 1), see :func:`draw_prior_phase`, or (B, 1); ``None``: zero.

    Returns:
        (B, 1, F * hop_length) float32.

    Raises:
        ShapeError: if ``f0`` or ``noise`` has another shape.
    """
    if f0.dim() != 3 or f0.shape[1] != 1:
        raise ShapeError(f"f0 of shape {tuple(f0.shape)}; expected (B, 1, F)")
    if noise is not None and noise.shape != (f0.shape[0], 1, f0.shape[-1] * hop_length):
        raise ShapeError(f"noise of shape {tuple(noise.shape)}; expected {(f0.shape[0], 1, f0.shape[-1] * hop_length)}")
    if config.name == "noise":
        signal = f0.new_zeros(f0.shape[0], 1, f0.shape[-1] * hop_length, dtype=torch.float32)
    else:
        signal = _HARMONIC_PARTS[config.name](f0.float(), hop_length, sample_rate, config, phase)
    return signal if noise is None else signal + config.noise_level * noise


def hold_frames(frames: Tensor, hop_length: int) -> Tensor:
    """Repeat each frame value for ``hop_length`` samples: (..., F) -> (..., F * hop_length)."""
    return frames[..., None].expand(*frames.shape, hop_length).flatten(-2)


def harmonic_sum(cycles: Tensor, num_harmonics: Tensor) -> Tensor:
    """Sum the sines of the first ``num_harmonics`` harmonics in closed form, by Lagrange's identity.

    With t the phase of the fundamental in radians::

        sum of sin(k t), k = 1 .. Q  =  sin(Q t / 2) sin((Q + 1) t / 2) / sin(t / 2)

    It is zero where the denominator vanishes.

    Args:
        cycles: phase of the fundamental in cycles, float64, any shape.
        num_harmonics: Q per element, broadcastable to ``cycles``.

    Returns:
        The sum, float64.
    """
    half = torch.pi * torch.remainder(cycles, 1)
    denominator = torch.sin(half)
    vanishing = denominator.abs() < 1e-12
    top = num_harmonics * half
    total = torch.sin(top) * torch.sin(top + half)
    return (total / denominator).masked_fill(vanishing, 0.0)


def running_cycles(f0: Tensor, hop_length: int, sample_rate: int, phase: Tensor | None) -> Tensor:
    """Return the phase of the fundamental at each sample in cycles: (B, F) -> (B, T), an inclusive sum in float64."""
    return _running_sum(hold_frames(f0.double() / sample_rate, hop_length), phase)


def _running_sum(increments: Tensor, phase: Tensor | None) -> Tensor:
    """Sum increments (B, T) from the start ``phase``, (1, 1) or (B, 1)."""
    if phase is None:
        return torch.cumsum(increments, dim=-1)
    start = phase.expand(increments.shape[0], 1) if phase.shape[0] != increments.shape[0] else phase
    return torch.cumsum(torch.cat([start, increments], dim=-1), dim=-1)[:, 1:]


def _sine(f0: Tensor, hop_length: int, sample_rate: int, config: PriorConfig, phase: Tensor | None) -> Tensor:
    cycles = running_cycles(f0[:, 0], hop_length, sample_rate, phase)[:, None]
    return torch.sin(2 * torch.pi * cycles).float() * hold_frames((f0 > 0).float(), hop_length)


def _sawtooth(f0: Tensor, hop_length: int, sample_rate: int, config: PriorConfig, phase: Tensor | None) -> Tensor:
    factor = config.oversampling
    cycles = running_cycles(f0[:, 0], hop_length * factor, sample_rate * factor, phase)[:, None]
    signal = (2 * torch.remainder(cycles, 1) - 1) * hold_frames((f0 > 0).double(), hop_length * factor)
    if factor > 1:
        signal = sinc_resample(signal, sample_rate * factor, sample_rate, zero_crossings=15)
    return signal.float()


def _pcph(f0: Tensor, hop_length: int, sample_rate: int, config: PriorConfig, phase: Tensor | None) -> Tensor:
    # Frames and the samples of each stay apart, (B, F, hop_length), so values of frames are not repeated in memory.
    # Every operation is a launch of its own on a GPU; a test counts them.
    frames = f0.transpose(1, 2)
    exact = frames.double()
    num_harmonics = _highest_rounding_to(sample_rate / 2) // exact.clamp_min(1.0)
    if config.max_frequency is not None:
        num_harmonics = torch.minimum(num_harmonics, _most_harmonics(f0, config.max_frequency))
    increments = (exact / sample_rate).expand(-1, -1, hop_length).flatten(1)
    cycles = _running_sum(increments, phase).view(*f0.shape[::2], hop_length)
    amplitude = config.power_factor * torch.sqrt(frames / (sample_rate / 4))
    total = harmonic_sum(cycles, num_harmonics).float() * amplitude
    return total.view(f0.shape[0], 1, -1)


def _highest_rounding_to(limit: float) -> float:
    """Return the highest number that float32 rounds to ``limit``.

    As published, a harmonic counts if k * f0 in float32 does not exceed the limit. The product is exact in float64, so
    the number of harmonics is the quotient of this number and F0, rounded down.
    """
    return limit + 2.0 ** (math.frexp(limit)[1] - 25)


def _pcph_linear_decay(
    f0: Tensor, hop_length: int, sample_rate: int, config: PriorConfig, phase: Tensor | None
) -> Tensor:
    f0 = f0[:, 0]
    top = config.max_frequency or sample_rate / 2
    voiced = f0 > 0
    ratio = torch.where(voiced, f0, top) / top
    most = int(_most_harmonics(f0, top))
    k = torch.arange(1, most + 1, device=f0.device, dtype=f0.dtype)[:, None, None]
    mask = (k * torch.where(voiced, f0, top) <= top).to(f0.dtype)
    first, second = (mask * k).sum(0), (mask * k**2).sum(0)
    power = torch.where(voiced, ratio**2 * second - 2 * ratio * first + 1 / ratio, 1.0)
    scale = torch.sqrt(2 / power) * config.power_factor * voiced
    cycles = running_cycles(f0, hop_length, sample_rate, phase)
    total = torch.zeros_like(cycles, dtype=torch.float32)
    for index in range(k.shape[0]):
        amplitude = scale * mask[index] * (1 - (index + 1) * ratio)
        harmonic = torch.sin(2 * torch.pi * (index + 1) * cycles).float()
        total += harmonic * hold_frames(amplitude, hop_length)
    return total[:, None]


def _most_harmonics(f0: Tensor, top: float) -> Tensor:
    """Return the number of harmonics of the lowest F0 of the batch, ()."""
    return torch.floor(top / torch.where(f0 > 0, f0, torch.inf).amin())


_HARMONIC_PARTS = {"sine": _sine, "sawtooth": _sawtooth, "pcph": _pcph, "pcph_linear_decay": _pcph_linear_decay}
