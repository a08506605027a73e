"""Denoising diffusion of waveforms: schedule, diffusion, denoising (arXiv 2006.11239, 2009.09761)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import Field, model_validator
from torch import Tensor

from vocoders.core.config import Config
from vocoders.core.errors import ConfigError

__all__ = ["DiffusionConfig", "DiffusionSchedule"]


class DiffusionConfig(Config):
    """Noise schedule of training: betas rise linearly.

    Attributes:
        num_steps: T.
        first_beta: variance of the noise of the first step.
        last_beta: variance of the noise of the last step.
    """

    num_steps: int = Field(default=200, ge=2)
    first_beta: float = Field(default=1e-4, gt=0, lt=1)
    last_beta: float = Field(default=0.02, gt=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> "DiffusionConfig":
        if self.last_beta < self.first_beta:
            raise ValueError(f"last_beta {self.last_beta} lies below first_beta {self.first_beta}")
        return self

    def schedule(self) -> "DiffusionSchedule":
        """Return the schedule of training."""
        return DiffusionSchedule.of(torch.linspace(self.first_beta, self.last_beta, self.num_steps).tolist())


@dataclass(frozen=True)
class DiffusionSchedule:
    """A sequence of T noise levels; every tensor is float64 (T,).

    Attributes:
        beta: variance of each step.
        alpha: 1 - beta.
        alpha_bar: remaining fraction of the signal's power after the step.
        sigma: deviation of the noise in the denoising step; not used in the last one.
        steps: diffusion step of each level, for the network: the index, or a fractional index between the levels of
            training.
    """

    beta: Tensor
    alpha: Tensor
    alpha_bar: Tensor
    sigma: Tensor
    steps: Tensor

    @classmethod
    def of(cls, betas: Sequence[float]) -> "DiffusionSchedule":
        """Make the schedule of the given variances.

        Raises:
            ConfigError: if there are none, or one lies outside (0, 1).
        """
        if not betas or not all(0 < beta < 1 for beta in betas):
            raise ConfigError(f"betas {list(betas)}; expected at least one, all between 0 and 1")
        beta = torch.tensor(betas, dtype=torch.float64)
        alpha_bar = torch.cumprod(1 - beta, dim=0)
        before = torch.cat([alpha_bar.new_ones(1), alpha_bar[:-1]])
        sigma = torch.sqrt(beta * (1 - before) / (1 - alpha_bar))
        # Denoising to level 0 adds no noise; the reference's table has sqrt(beta) there.
        sigma[0] = math.sqrt(betas[0])
        return cls(beta, 1 - beta, alpha_bar, sigma, torch.arange(len(betas), dtype=torch.float64))

    def reduced(self, betas: Sequence[float]) -> "DiffusionSchedule":
        """Make a shorter schedule for sampling, aligned with the levels of training.

        The signal amplitude of each level is interpolated among those of training, which gives the fractional step for
        the network (fast sampling, arXiv 2009.09761, appendix B).
        """
        short = DiffusionSchedule.of(betas)
        own, amplitude = torch.sqrt(self.alpha_bar), torch.sqrt(short.alpha_bar)
        # Amplitudes decrease with the step.
        after = torch.searchsorted(-own, -amplitude).clamp(1, len(own) - 1)
        share = (own[after - 1] - amplitude) / (own[after - 1] - own[after])
        steps = (after - 1 + share).clamp(0, len(own) - 1)
        return DiffusionSchedule(short.beta, short.alpha, short.alpha_bar, short.sigma, steps)

    def __len__(self) -> int:
        """Return T."""
        return len(self.beta)

    def diffuse(self, audio: Tensor, noise: Tensor, index: Tensor) -> Tensor:
        """Return sqrt(alpha_bar) audio + sqrt(1 - alpha_bar) noise.

        Args:
            audio: (B, 1, L).
            noise: standard normal (B, 1, L).
            index: level of each item, int64 (B,).
        """
        level = self.alpha_bar.to(audio.device)[index].view(-1, 1, 1)
        return torch.sqrt(level).to(audio.dtype) * audio + torch.sqrt(1 - level).to(audio.dtype) * noise

    def denoise(self, x: Tensor, predicted_noise: Tensor, index: int, noise: Tensor | None) -> Tensor:
        """Denoise by one step from level ``index``.

        Args:
            x: (B, 1, L) at level ``index``.
            predicted_noise: the network's estimate of the noise in ``x``.
            index: level.
            noise: standard normal (B, 1, L); not used at level 0.
        """
        weight = float(self.beta[index] / torch.sqrt(1 - self.alpha_bar[index]))
        x = (x - weight * predicted_noise) / math.sqrt(self.alpha[index])
        return x if index == 0 or noise is None else x + float(self.sigma[index]) * noise
