"""PeriodWave: multi-period conditional flow matching vocoder, its few-step Turbo and its multi-band form."""

from vocoders.periodwave.config import VARIANTS, PeriodWaveConfig, SamplingConfig
from vocoders.periodwave.model import PeriodWave
from vocoders.periodwave.multiband import PeriodWaveMB
from vocoders.periodwave.multiband_config import MB_VARIANTS, BandSamplingConfig, PeriodWaveMBConfig

__all__ = [
    "MB_VARIANTS",
    "VARIANTS",
    "BandSamplingConfig",
    "PeriodWave",
    "PeriodWaveConfig",
    "PeriodWaveMB",
    "PeriodWaveMBConfig",
    "SamplingConfig",
]
