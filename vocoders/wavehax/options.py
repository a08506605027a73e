"""Options of synthesis of Wavehax."""

from vocoders.core.options import SynthesisOptions, option

__all__ = ["WavehaxOptions"]


class WavehaxOptions(SynthesisOptions):
    """Options of Wavehax."""

    f0_scale: float = option(1.0, dial=(0.5, 2.0), gt=0, allow_inf_nan=False)
    """Factor on F0; the mel does not change."""
    mel_refinement: int | None = option(None, dial=(0, 64), ge=0)
    """Iterations of mel refinement, which move the mel of the output towards the input mel; none: the number in the
    configuration, but 0 where the F0 scale is not 1, since the mel contains the original harmonics."""

    spellings = {"refinement": "mel_refinement"}
