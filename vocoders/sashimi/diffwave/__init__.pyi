from .config import VARIANTS, DiffwaveSashimiConfig
from .diffusion import DiffusionConfig, DiffusionSchedule
from .model import DiffwaveSashimi
from .options import DiffusionOptions

__all__ = [
    "VARIANTS",
    "DiffusionConfig",
    "DiffusionOptions",
    "DiffusionSchedule",
    "DiffwaveSashimi",
    "DiffwaveSashimiConfig",
]
