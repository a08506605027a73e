"""Spectral reconstruction losses and their weighted sum by name."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import auraloss
import torch
from pydantic import Field
from torch import Tensor, nn

from recipes.losses.loss import Loss
from recipes.losses.modulation import ModulationLoss
from vocoders.core.config import Config
from vocoders.core.errors import ConfigError
from vocoders.core.plugins import Registry
from vocoders.frontends.mel import LogMel, MelConfig

__all__ = [
    "LOSSES",
    "LossSum",
    "MelLoss",
    "MultiResolutionSTFTLoss",
    "MultiScaleMelLoss",
    "PowerMelLoss",
    "TurboMelLoss",
]


class MelLoss(Loss):
    """Mean absolute difference of log-mel spectrograms.

    Shape:
        prediction (B, 1, T), target (B, 1, T) -> scalar.
    """

    class Options(Config):
        """Options in a recipe; the defaults are those of Wavehax (arXiv 2411.06807) at 24 kHz."""

        n_fft: int = Field(default=1024, gt=0)
        hop_length: int = Field(default=256, gt=0)
        n_mels: int = Field(default=100, gt=0)
        fmin: float = Field(default=0.0, ge=0)
        fmax: float | None = None

    def __init__(self, sample_rate: int, options: "MelLoss.Options | None" = None) -> None:
        super().__init__(sample_rate, options)
        options = options or self.Options()
        mel = {"sample_rate": sample_rate, **options.model_dump()}
        self.log_mel = LogMel(MelConfig.from_dict(mel, "loss 'mel'"))

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return (self.log_mel(prediction) - self.log_mel(target)).abs().mean()


class _CentredLogMel(LogMel):
    """Log-mel with all centred frames, including the one at the end of the audio: T // hop_length + 1."""

    def _num_frames(self, audio: Tensor) -> int:
        return audio.shape[-1] // self.config.hop_length + 1


class MultiScaleMelLoss(Loss):
    """Sum or mean over several transform lengths of the mean absolute difference of log-mels.

    Source: the multi-scale mel loss of the Descript audio codec (arXiv 2306.06546).
    """

    class Options(Config):
        """Options in a recipe.

        Attributes:
            n_ffts: transform lengths; the hop is a quarter of each.
            n_mels: mel bands at each length.
            log: natural (``ln``) or decimal (``log10``) logarithm.
            padding: ``same_zero`` as Wavehax pads, or ``center_reflect``, with the frame on the last sample.
            reduction: ``mean`` or ``sum`` over the transform lengths.
        """

        n_ffts: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
        n_mels: tuple[int, ...] = (8, 16, 32, 64, 100, 160)
        log: Literal["ln", "log10"] = "ln"
        padding: Literal["same_zero", "center_reflect"] = "same_zero"
        reduction: Literal["mean", "sum"] = "mean"

    name: ClassVar[str] = "multi_scale_mel"

    def __init__(self, sample_rate: int, options: "MultiScaleMelLoss.Options | None" = None) -> None:
        super().__init__(sample_rate, options)
        options = options or self.Options()
        if len(options.n_ffts) != len(options.n_mels):
            raise ConfigError(f"{len(options.n_ffts)} n_ffts and {len(options.n_mels)} n_mels; expected as many")
        self.reduction = options.reduction
        front_end = _CentredLogMel if options.padding == "center_reflect" else LogMel
        common = {"sample_rate": sample_rate, "log": options.log, "padding": options.padding}
        self.scales = nn.ModuleList(
            front_end(MelConfig.from_dict({**common, **mel}, f"loss '{self.name}'"))
            for mel in (
                {"n_fft": n_fft, "hop_length": n_fft // 4, "n_mels": n_mels}
                for n_fft, n_mels in zip(options.n_ffts, options.n_mels, strict=True)
            )
        )

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        terms = torch.stack([self.distance(mel(prediction), mel(target)) for mel in self.scales])
        return terms.sum() if self.reduction == "sum" else terms.mean()

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the mean distance of two log-mels of one scale, (B, n_mels, N) each."""
        return (prediction - target).abs().mean()


class PowerMelLoss(MultiScaleMelLoss):
    """Distance of mels raised to a power, relative to the mean of the target.

    As in hearing, loud cells count for more than silent ones, which a logarithm holds for equal. Power-law compression
    of spectra by 0.3 is common in speech separation and enhancement (arXiv 1804.03619).
    """

    class Options(MultiScaleMelLoss.Options):
        """Options in a recipe: those of :class:`MultiScaleMelLoss` and the exponent."""

        power: float = Field(default=0.3, gt=0, le=1)

    name: ClassVar[str] = "power_mel"

    def __init__(self, sample_rate: int, options: "PowerMelLoss.Options | None" = None) -> None:
        options = options or self.Options()
        super().__init__(sample_rate, options)
        self.exponent = options.power * (1.0 if options.log == "ln" else math.log(10.0))

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the mean distance of the powers; near the target it is that of logarithms, weighted by loudness."""
        loudness = (self.exponent * target).exp()
        scale = self.exponent * loudness.mean(dim=(-2, -1), keepdim=True)
        return (((self.exponent * prediction).exp() - loudness) / scale).abs().mean()


class TurboMelLoss(MultiScaleMelLoss):
    """The multi-scale mel loss as published for PeriodWave-Turbo (arXiv 2408.08019) and BigVGAN-v2."""

    class Options(MultiScaleMelLoss.Options):
        """Options in a recipe: those of :class:`MultiScaleMelLoss` with the published values."""

        n_ffts: tuple[int, ...] = (32, 64, 128, 256, 512, 1024, 2048)
        n_mels: tuple[int, ...] = (5, 10, 20, 40, 80, 160, 320)
        log: Literal["ln", "log10"] = "log10"
        padding: Literal["same_zero", "center_reflect"] = "center_reflect"
        reduction: Literal["mean", "sum"] = "sum"

    name: ClassVar[str] = "turbo_mel"


class MultiResolutionSTFTLoss(Loss):
    """Spectral convergence and log magnitude at three resolutions (auraloss defaults)."""

    class Options(Config):
        """Options in a recipe: none."""

    def __init__(self, sample_rate: int, options: "MultiResolutionSTFTLoss.Options | None" = None) -> None:
        super().__init__(sample_rate, options)
        self.loss = auraloss.freq.MultiResolutionSTFTLoss()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return self.loss(prediction, target)


LOSSES: Registry[type[Loss]] = Registry(
    "loss",
    "ondes.losses",
    {
        "mel": MelLoss,
        "multi_scale_mel": MultiScaleMelLoss,
        "power_mel": PowerMelLoss,
        "modulation": ModulationLoss,
        "turbo_mel": TurboMelLoss,
        "multi_resolution_stft": MultiResolutionSTFTLoss,
    },
    Loss,
    is_class=True,
)


class LossSum(nn.Module):
    """Weighted sum of losses by name.

    Args:
        sample_rate: in Hz.
        terms: for each loss name its weight, or a mapping of ``weight`` and the options of the loss.

    Raises:
        ConfigError: for an unknown name or option; a misspelt loss is never silently left out.
    """

    def __init__(self, sample_rate: int, terms: Mapping[str, Any]) -> None:
        super().__init__()
        self.weights: dict[str, float] = {}
        self.losses = nn.ModuleDict()
        for name, value in terms.items():
            loss = LOSSES.find(name)
            options = dict(value) if isinstance(value, Mapping) else {"weight": value}
            weight = options.pop("weight", None)
            if not isinstance(weight, (int, float)) or isinstance(weight, bool):
                raise ConfigError(f"loss '{name}' needs a numeric weight, found {weight!r}")
            self.weights[name] = float(weight)
            with LOSSES.running(name):
                self.losses[name] = loss(sample_rate, loss.Options.from_dict(options, f"loss '{name}'"))

    def forward(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum and the unweighted terms by name."""
        terms = {name: loss(prediction, target) for name, loss in self.losses.items()}
        total = sum((self.weights[name] * term for name, term in terms.items()), prediction.new_zeros(()))
        return total, {name: term.detach() for name, term in terms.items()}
