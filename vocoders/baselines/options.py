"""Options of the baselines."""

from typing import Literal

from vocoders.core.options import SynthesisOptions, option

__all__ = ["GriffinLimOptions", "MelInversionOptions", "WorldOptions"]


class GriffinLimOptions(SynthesisOptions):
    """Options of Griffin-Lim."""

    iterations: int = option(32, dial=(1, 128), ge=0)
    """Updates of the phases."""
    momentum: float = option(0.99, dial=(0, 1), ge=0)
    """Momentum of the fast form; 0 is the original algorithm."""


class MelInversionOptions(SynthesisOptions):
    """Options of mel inversion."""

    mel_refinement: int = option(64, dial=(0, 128), ge=0)
    """Iterations of mel refinement, which move the mel of the output towards the input mel."""
    excitation: Literal["noise", "harmonics"] = option("noise")
    """Where it starts: white noise, or harmonics of the F0 in the mel."""

    spellings = {"refinement": "mel_refinement"}


class WorldOptions(SynthesisOptions):
    """Options of WORLD."""

    f0_scale: float = option(1.0, dial=(0.5, 2.0), gt=0, allow_inf_nan=False)
    """Factor on F0; the envelope does not change."""
