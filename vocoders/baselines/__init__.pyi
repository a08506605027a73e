from .griffin_lim import GriffinLim
from .mel_inversion import MelInversion
from .options import GriffinLimOptions, MelInversionOptions, WorldOptions
from .world import World

__all__ = [
    "GriffinLim",
    "GriffinLimOptions",
    "MelInversion",
    "MelInversionOptions",
    "World",
    "WorldOptions",
]
