from .config import VARIANTS, SashimiConfig
from .model import Sashimi
from .options import CodeOptions, CodeSampling
from .quantisation import Quantiser, QuantiserConfig

__all__ = [
    "VARIANTS",
    "CodeOptions",
    "CodeSampling",
    "Quantiser",
    "QuantiserConfig",
    "Sashimi",
    "SashimiConfig",
]
