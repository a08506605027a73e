"""Wavehax: aliasing-free neural vocoder on complex spectrograms with a harmonic prior."""

from vocoders.wavehax.config import VARIANTS, WavehaxConfig
from vocoders.wavehax.model import Wavehax

__all__ = ["VARIANTS", "Wavehax", "WavehaxConfig"]
