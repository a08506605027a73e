"""Frame energy of a log-mel spectrogram.

PeriodWave (Lee et al. 2024, after PriorGrad) starts its flow from noise whose deviation follows the energy of each
frame, scaled by the range of energies in the training set.
"""

from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor

from vocoders.core.config import Config
from vocoders.frontends.mel import Logarithm, from_logarithm

__all__ = ["ENERGY_PRESETS", "EnergyConfig", "mel_energy", "relative_energy"]


class EnergyConfig(Config):
    """Range of the mel energy in a training set.

    In YAML the name of a preset may replace the whole mapping (``energy: libritts_24k``).

    Attributes:
        energy_min: lowest :func:`mel_energy` of a frame; digital silence has sqrt(n_mels * floor of the mel).
        energy_max: highest :func:`mel_energy` of a frame.
        floor: least :func:`relative_energy`, so that the prior of silence is not zero.
    """

    energy_min: float = Field(ge=0)
    energy_max: float = Field(gt=0)
    floor: float = Field(default=0.1, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _expand_preset(cls, data: Any) -> Any:
        if isinstance(data, str):
            if data not in _PRESETS:
                raise ValueError(f"unknown energy preset '{data}'; known presets: {', '.join(_PRESETS)}")
            return _PRESETS[data]
        return data

    @model_validator(mode="after")
    def _check(self) -> "EnergyConfig":
        if self.energy_max <= self.energy_min:
            raise ValueError(f"energy_max {self.energy_max:g} is not above energy_min {self.energy_min:g}")
        return self

    @property
    def fingerprint(self) -> str:
        """The front end in one line: equal lines mean equal numbers."""
        return f"energy {self.energy_min!r}-{self.energy_max!r} floor={self.floor:g}"


# Published for audio scaled to a peak of 0.95 and the mels bigvgan_24k and hifigan_22k.
_PRESETS: dict[str, dict[str, Any]] = {
    "libritts_24k": {"energy_min": 0.03162278234958649, "energy_max": 9.124345779418945},
    "ljspeech_22k": {"energy_min": 0.06902337074279785, "energy_max": 5.423669815063477},
}
ENERGY_PRESETS: dict[str, EnergyConfig] = {name: EnergyConfig(**values) for name, values in _PRESETS.items()}


def mel_energy(log_mel: Tensor, log: Logarithm = "ln") -> Tensor:
    """Return the square root of the sum of the linear mel amplitudes of each frame.

    Args:
        log_mel: (..., n_mels, F).
        log: logarithm of ``log_mel``.

    Returns:
        (..., 1, F).
    """
    return from_logarithm(log_mel, log).sum(dim=-2, keepdim=True).sqrt()


def relative_energy(
    log_mel: Tensor, config: EnergyConfig, log: Logarithm = "ln", energy_range: Tensor | None = None
) -> Tensor:
    """Return the energy of each frame on the scale of the training set, where 0 is the minimum and 1 the maximum.

    Values above 1 are kept; values below ``config.floor`` are raised to it. This is the deviation of PeriodWave's
    prior, before each value is held for a hop.

    Args:
        log_mel: (..., n_mels, F).
        config: range of the training set, and the floor.
        log: logarithm of ``log_mel``.
        energy_range: (2,) lowest and highest energy; ``None``: those in ``config``.

    Returns:
        (..., 1, F).
    """
    low, high = (config.energy_min, config.energy_max) if energy_range is None else energy_range
    return torch.clamp((mel_energy(log_mel, log) - low) / (high - low), min=config.floor)
