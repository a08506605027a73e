"""Options of synthesis of Wavehax."""

from vocoders.core.options import SynthesisOptions, option

__all__ = ["WavehaxOptions"]


class WavehaxOptions(SynthesisOptions):
    """Options of Wavehax."""

    f0_scale: float = option(1.0, dial=(0.5, 2.0), gt=0, allow_inf_nan=False)
    """Factor on F0. The vowels stay: the envelope of the mel keeps its place, and its harmonics move along."""
    mel_refinement: int | None = option(None, dial=(0, 64), ge=0)
    """Iterations of mel refinement, which move the mel of the output towards the input mel; none: the number in the
    configuration, but at most 4 where the F0 scale is not 1."""

    spellings = {"refinement": "mel_refinement"}
