"""DiffWave with the SaShiMi backbone: diffusion of waveforms, unconditional or from a mel spectrogram."""

from vocoders.sashimi.diffwave.config import VARIANTS, DiffwaveSashimiConfig
from vocoders.sashimi.diffwave.diffusion import DiffusionConfig, DiffusionSchedule
from vocoders.sashimi.diffwave.model import DiffwaveSashimi

__all__ = ["VARIANTS", "DiffusionConfig", "DiffusionSchedule", "DiffwaveSashimi", "DiffwaveSashimiConfig"]
