"""Effects of Spotify's pedalboard as processors, for the optional extra ``pedalboard`` (GPL 3).

They are listed, with their knobs, even if pedalboard is not installed; it is imported when the first audio is
processed. It computes in float32: float64 audio is rounded at its input.
"""

from effects.processors.pedalboard.delays import Delay, Reverb
from effects.processors.pedalboard.drives import Bitcrush, Clipping, Distortion
from effects.processors.pedalboard.dynamics import Compressor, Limiter, NoiseGate
from effects.processors.pedalboard.filters import Chorus, LadderFilter, Phaser
from effects.processors.processor import Processor

__all__ = ["PEDALBOARD"]

PEDALBOARD: tuple[Processor, ...] = (
    Compressor(),
    Limiter(),
    NoiseGate(),
    Distortion(),
    Clipping(),
    Bitcrush(),
    LadderFilter(),
    Chorus(),
    Phaser(),
    Delay(),
    Reverb(),
)
