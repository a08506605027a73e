"""SaShiMi: raw audio on state-space layers, autoregressive, and as the backbone of DiffWave (``diffwave``)."""

from vocoders.sashimi.config import VARIANTS, SashimiConfig
from vocoders.sashimi.model import Sashimi
from vocoders.sashimi.quantisation import Quantiser, QuantiserConfig

__all__ = ["VARIANTS", "Quantiser", "QuantiserConfig", "Sashimi", "SashimiConfig"]
