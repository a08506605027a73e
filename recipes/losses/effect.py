"""Losses between the output of an effect model and the wet audio, by name and weight.

Spectral distances do not hear polarity or a shift of one sample, waveform distances hear nothing else; so both are
used. Every term is a mean over items of a batch, so that quiet items count as much as loud ones.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.errors import ConfigError

__all__ = ["EFFECT_LOSSES", "DCLoss", "EffectLoss", "ErrorToSignalRatio", "GainTraceLoss", "ScaledL1", "SpectralLoss"]

# Energies below this, -80 dB for each sample, count as silence that need not be matched to the last bit.
_FLOOR = 1e-8


class ErrorToSignalRatio(nn.Module):
    """Energy of the error over that of the target, both behind the pre-emphasis 1 - 0.85 z^-1.

    Source: Wright et al. 2020; the filter of micro-TCN and auraloss.

    Shape:
        prediction, target, dry (B, C, T) -> scalar.
    """

    coefficient = 0.85

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        error, signal = (_emphasise(x, self.coefficient) for x in (target - prediction, target))
        energy = signal.square().mean(dim=(1, 2)) + _FLOOR
        return (error.square().mean(dim=(1, 2)) / energy).mean()


class ScaledL1(nn.Module):
    """Mean absolute error over the level (RMS) of the target."""

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        level = (target.square().mean(dim=(1, 2)) + _FLOOR).sqrt()
        return ((target - prediction).abs().mean(dim=(1, 2)) / level).mean()


class DCLoss(nn.Module):
    """Energy of the error's mean over that of the target."""

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        energy = target.square().mean(dim=(1, 2)) + _FLOOR
        return ((target - prediction).mean(dim=-1).square().mean(dim=1) / energy).mean()


class SpectralLoss(nn.Module):
    """Mean difference of log magnitudes at three resolutions, deaf to what lies below a floor.

    Without a floor, bins that nobody hears decide.
    """

    resolutions = ((1024, 120), (2048, 240), (512, 50))
    floor = 1e-3

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        terms = []
        for n_fft, hop in self.resolutions:
            a, b = (self._log_magnitude(x, n_fft, hop) for x in (prediction, target))
            terms.append((a - b).abs().mean())
        return torch.stack(terms).mean()

    def _log_magnitude(self, x: Tensor, n_fft: int, hop: int) -> Tensor:
        window = torch.hann_window(n_fft, device=x.device, dtype=x.dtype)
        spectrum = torch.stft(x.flatten(0, 1), n_fft, hop, window=window, return_complex=True)
        # Scaled to the amplitude of a sine, so that the floor means a level.
        magnitude = (spectrum.real.square() + spectrum.imag.square() + 1e-12).sqrt() * (2 / window.sum())
        return torch.log(magnitude + self.floor)


class GainTraceLoss(nn.Module):
    """Mean absolute difference in dB of the level over frames of 20 ms, where the dry audio is above -60 dBFS."""

    frame, hop = 882, 220

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        levels = [self._levels(x) for x in (prediction, target, dry)]
        heard = levels[2] > -60.0
        difference = (levels[0] - levels[1]).abs() * heard
        return difference.sum() / heard.sum().clamp(min=1)

    def _levels(self, x: Tensor) -> Tensor:
        power = F.avg_pool1d(x.square(), self.frame, self.hop)
        return 10 * torch.log10(power + 1e-9)


EFFECT_LOSSES: dict[str, type[nn.Module]] = {
    "esr": ErrorToSignalRatio,
    "l1": ScaledL1,
    "spectral": SpectralLoss,
    "dc": DCLoss,
    "gain_trace": GainTraceLoss,
}


class EffectLoss(nn.Module):
    """Weighted sum of the losses above.

    Args:
        weights: weight of each term by name.

    Raises:
        ConfigError: for an unknown name, or no term at all.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        unknown = [name for name in weights if name not in EFFECT_LOSSES]
        if unknown or not weights:
            found = f"unknown loss '{unknown[0]}'" if unknown else "no loss"
            raise ConfigError(f"{found}; known losses: {', '.join(EFFECT_LOSSES)}")
        self.weights = dict(weights)
        self.terms = nn.ModuleDict({name: EFFECT_LOSSES[name]() for name in weights})

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum, and each term."""
        values = {name: term(prediction, target, dry) for name, term in self.terms.items()}
        return sum(self.weights[name] * value for name, value in values.items()), values


def _emphasise(x: Tensor, coefficient: float) -> Tensor:
    return x[..., 1:] - coefficient * x[..., :-1]
