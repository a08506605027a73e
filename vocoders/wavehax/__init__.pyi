from .config import VARIANTS, WavehaxConfig
from .model import Wavehax
from .options import WavehaxOptions

__all__ = [
    "VARIANTS",
    "Wavehax",
    "WavehaxConfig",
    "WavehaxOptions",
]
