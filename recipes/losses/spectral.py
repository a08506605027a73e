"""Spectral reconstruction losses and their weighted sum by name."""

from collections.abc import Mapping
from typing import Any

import auraloss
import torch
from pydantic import Field
from torch import Tensor, nn

from vocoders.core.config import Config
from vocoders.core.errors import ConfigError
from vocoders.frontends.mel import LogMel, MelConfig

__all__ = ["LOSSES", "LossSum", "MelLoss", "MultiResolutionSTFTLoss", "MultiScaleMelLoss"]


class MelLoss(nn.Module):
    """Mean absolute difference of log-mel spectrograms.

    Shape:
        prediction (B, 1, T), target (B, 1, T) -> scalar.
    """

    class Options(Config):
        """Options in a recipe; the defaults are those of Wavehax (arXiv 2411.06807) at 24 kHz."""

        n_fft: int = Field(1024, gt=0)
        hop_length: int = Field(256, gt=0)
        n_mels: int = Field(100, gt=0)
        fmin: float = Field(0.0, ge=0)
        fmax: float | None = None

    def __init__(self, sample_rate: int, options: "MelLoss.Options | None" = None) -> None:
        super().__init__()
        options = options or self.Options()
        mel = {"sample_rate": sample_rate, **options.model_dump()}
        self.log_mel = LogMel(MelConfig.from_dict(mel, "loss 'mel'"))

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return (self.log_mel(prediction) - self.log_mel(target)).abs().mean()


class MultiScaleMelLoss(nn.Module):
    """Mean over several transform lengths of the mean absolute difference of log-mels.

    Source: the multi-scale mel loss of the Descript audio codec, as PeriodWave-Turbo (arXiv 2408.08019) uses it;
    natural logarithms here.
    """

    class Options(Config):
        """Options in a recipe."""

        n_ffts: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
        n_mels: tuple[int, ...] = (8, 16, 32, 64, 100, 160)

    def __init__(self, sample_rate: int, options: "MultiScaleMelLoss.Options | None" = None) -> None:
        super().__init__()
        options = options or self.Options()
        if len(options.n_ffts) != len(options.n_mels):
            raise ConfigError(f"{len(options.n_ffts)} n_ffts and {len(options.n_mels)} n_mels; expected as many")
        self.scales = nn.ModuleList(
            LogMel(MelConfig.from_dict(mel, "loss 'multi_scale_mel'"))
            for mel in (
                {"sample_rate": sample_rate, "n_fft": n_fft, "hop_length": n_fft // 4, "n_mels": n_mels}
                for n_fft, n_mels in zip(options.n_ffts, options.n_mels, strict=True)
            )
        )

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss, averaged over scales."""
        terms = [(mel(prediction) - mel(target)).abs().mean() for mel in self.scales]
        return torch.stack(terms).mean()


class MultiResolutionSTFTLoss(nn.Module):
    """Spectral convergence and log magnitude at three resolutions (auraloss defaults)."""

    class Options(Config):
        """Options in a recipe: none."""

    def __init__(self, sample_rate: int, options: "MultiResolutionSTFTLoss.Options | None" = None) -> None:
        super().__init__()
        self.loss = auraloss.freq.MultiResolutionSTFTLoss()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return self.loss(prediction, target)


LOSSES: dict[str, type[nn.Module]] = {
    "mel": MelLoss,
    "multi_scale_mel": MultiScaleMelLoss,
    "multi_resolution_stft": MultiResolutionSTFTLoss,
}


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
            if name not in LOSSES:
                raise ConfigError(f"unknown loss '{name}'; known losses: {', '.join(LOSSES)}")
            options = dict(value) if isinstance(value, Mapping) else {"weight": value}
            weight = options.pop("weight", None)
            if not isinstance(weight, (int, float)) or isinstance(weight, bool):
                raise ConfigError(f"loss '{name}' needs a numeric weight, found {weight!r}")
            self.weights[name] = float(weight)
            self.losses[name] = LOSSES[name](sample_rate, LOSSES[name].Options.from_dict(options, f"loss '{name}'"))

    def forward(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum and the unweighted terms by name."""
        terms = {name: loss(prediction, target) for name, loss in self.losses.items()}
        total = sum((self.weights[name] * term for name, term in terms.items()), prediction.new_zeros(()))
        return total, {name: term.detach() for name, term in terms.items()}
