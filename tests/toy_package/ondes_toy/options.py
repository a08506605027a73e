"""What can be chosen at synthesis: flags of `ondes synth` and `ondes generate`, and controls of the demo."""

from vocoders.core.options import SynthesisOptions, option


class ToyOptions(SynthesisOptions):
    """Options of the toy systems."""

    loudness: float = option(1.0, dial=(0, 2), ge=0)
    """Factor on the waveform."""
