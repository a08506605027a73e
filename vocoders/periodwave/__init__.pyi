from .config import VARIANTS, PeriodWaveConfig
from .model import PeriodWave
from .multiband import PeriodWaveMB
from .multiband_config import MB_VARIANTS, PeriodWaveMBConfig
from .options import BandFlowOptions, BandFlowSampling, FlowOptions, FlowSampling

__all__ = [
    "MB_VARIANTS",
    "VARIANTS",
    "BandFlowOptions",
    "BandFlowSampling",
    "FlowOptions",
    "FlowSampling",
    "PeriodWave",
    "PeriodWaveConfig",
    "PeriodWaveMB",
    "PeriodWaveMBConfig",
]
