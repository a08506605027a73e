"""How Wavehax synthesises."""

from vocoders.core.options import SynthesisOptions, option

__all__ = ["WavehaxOptions"]


class WavehaxOptions(SynthesisOptions):
    """Options of Wavehax."""

    f0_scale: float = option(1.0, dial=(0.5, 2.0), gt=0, allow_inf_nan=False)
    """Factor on F0; the mel stays."""
    mel_refinement: int | None = option(None, dial=(0, 64), ge=0)
    """Iterations after the network that bring the mel of the output nearer to the given one; none: as the model says,
    but 0 where the F0 scale is not 1, since the mel still holds the old harmonics."""

    spellings = {"refinement": "mel_refinement"}
