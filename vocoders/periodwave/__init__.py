"""PeriodWave: multi-period conditional flow matching vocoder, and its few-step PeriodWave-Turbo."""

from vocoders.periodwave.config import VARIANTS, PeriodWaveConfig, SamplingConfig
from vocoders.periodwave.model import PeriodWave

__all__ = ["VARIANTS", "PeriodWave", "PeriodWaveConfig", "SamplingConfig"]
