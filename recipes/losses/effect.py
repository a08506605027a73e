"""Losses between the output of an effect model and the wet audio, by name and weight.

Spectral distances ignore polarity and a shift of one sample, which dominate waveform distances; so both are used. Every
term is a mean over items of a batch, which gives quiet and loud items equal weight; the terms of SignalTrain are means
over samples.

The losses of captures are in :mod:`recipes.losses.capture`. The published loss of SignalTrain is
``{log_cosh: 1.0, output_spectrum: 2.0e-6}``, or without weighting ``{log_cosh: 1.0, output_spectrum_flat: 2.0e-5}``:
its second term depends only on the output of the model.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes.losses.capture import (
    BatchDCLoss,
    BatchErrorToSignalRatio,
    EmphasisedMeanSquaredError,
    EmphasisedSpectralDistance,
    MeanSquaredError,
    SpectralDistance,
    emphasise,
)
from vocoders.core.errors import ConfigError
from vocoders.core.plugins import Registry, unknown_name

__all__ = [
    "EFFECT_LOSSES",
    "SPECTRUM_LOSSES",
    "DCLoss",
    "EffectLoss",
    "ErrorToSignalRatio",
    "GainTraceLoss",
    "LogCosh",
    "OutputSpectrum",
    "ScaledL1",
    "SpectralLoss",
]

# Energies below this, -80 dB per sample, count as silence and need no exact match.
_FLOOR = 1e-8


class ErrorToSignalRatio(nn.Module):
    """Energy of the error over that of the target, both after the pre-emphasis 1 - 0.85 z^-1.

    Source: Wright et al. 2020; the filter of micro-TCN and auraloss.

    Shape:
        prediction, target, dry (B, C, T) -> scalar.
    """

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        error, signal = (emphasise(x) for x in (target - prediction, target))
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
    """Mean difference of log magnitudes at three resolutions, with a floor.

    Without the floor, inaudible bins would dominate.
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
        # Scaled to the amplitude of a sine, so that the floor is a level.
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


class LogCosh(nn.Module):
    """Mean log cosh of the error: half its square where it is small, its magnitude less log 2 where it is large.

    Source: Hawley et al. 2019 (SignalTrain).
    """

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        error = (target - prediction).abs()
        return (error + F.softplus(-2 * error) - math.log(2)).mean()


class OutputSpectrum(nn.Module):
    """Mean magnitude of the spectrum from which a model composes its output, bin k weighted by exp(7 k / bins).

    Not a distance: it does not use the target. The weight, 1 at the lowest bin and about 1080 at the highest, pushes
    down the hiss at high frequencies that a waveform distance hardly shows.

    Args:
        growth: logarithm of the weight at the end of the spectrum; 0: equal weights.

    Shape:
        (..., bins) -> scalar.
    """

    def __init__(self, growth: float = 7.0) -> None:
        super().__init__()
        self.growth = growth

    def forward(self, magnitude: Tensor) -> Tensor:
        """Return the loss."""
        bins = torch.arange(magnitude.shape[-1], device=magnitude.device, dtype=magnitude.dtype)
        return (magnitude.abs() * torch.exp(self.growth * bins / len(bins))).mean()


#: Losses between output, wet audio and dry audio, each (B, C, T): classes that are built without arguments.
EFFECT_LOSSES: Registry[type[nn.Module]] = Registry(
    "effect loss",
    "ondes.effect_losses",
    {
        "esr": ErrorToSignalRatio,
        "l1": ScaledL1,
        "spectral": SpectralLoss,
        "dc": DCLoss,
        "gain_trace": GainTraceLoss,
        "log_cosh": LogCosh,
        "mse": MeanSquaredError,
        "emphasised_mse": EmphasisedMeanSquaredError,
        "stft": SpectralDistance,
        "emphasised_stft": EmphasisedSpectralDistance,
        "batch_esr": BatchErrorToSignalRatio,
        "batch_dc": BatchDCLoss,
    },
    nn.Module,
    is_class=True,
    reserved=lambda: SPECTRUM_LOSSES,
)

#: Losses of the magnitudes from which a model composes its output.
SPECTRUM_LOSSES: dict[str, Callable[[], nn.Module]] = {
    "output_spectrum": OutputSpectrum,
    "output_spectrum_flat": partial(OutputSpectrum, growth=0.0),
}


def _make(name: str) -> nn.Module:
    if name in SPECTRUM_LOSSES:
        return SPECTRUM_LOSSES[name]()
    if name not in EFFECT_LOSSES:
        raise ConfigError(unknown_name("loss", name, [*EFFECT_LOSSES, *SPECTRUM_LOSSES]))
    with EFFECT_LOSSES.running(name):
        return EFFECT_LOSSES[name]()


class EffectLoss(nn.Module):
    """Weighted sum of the losses above.

    Args:
        weights: weight of each term by name.

    Raises:
        ConfigError: for an unknown name, or no term at all.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        if not weights:
            raise ConfigError(f"no loss; known losses: {', '.join([*EFFECT_LOSSES, *SPECTRUM_LOSSES])}")
        self.weights = dict(weights)
        self.terms = nn.ModuleDict({name: _make(name) for name in weights})

    @property
    def needs_magnitude(self) -> bool:
        """Whether a term needs the model's magnitudes."""
        return any(name in SPECTRUM_LOSSES for name in self.terms)

    def forward(
        self, prediction: Tensor, target: Tensor, dry: Tensor, magnitude: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum, and each term.

        Args:
            prediction: (B, C, T).
            target: (B, C, T).
            dry: (B, C, T).
            magnitude: (..., bins) of the output's spectrum, if ``needs_magnitude``.
        """
        values = {
            name: term(magnitude) if name in SPECTRUM_LOSSES else term(prediction, target, dry)
            for name, term in self.terms.items()
        }
        total = sum((self.weights[name] * value for name, value in values.items()), prediction.new_zeros(()))
        return total, values
