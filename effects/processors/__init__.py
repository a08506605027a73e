"""Processors: effects by signal processing, from which models learn; pure functions with knobs and explicit state.

A processor returns the audio and the state for the next block.

Examples:
    >>> import torch
    >>> from effects.processors import find_processor
    >>> compressor = find_processor("comp_4c")
    >>> dry = 0.5 * torch.sin(2 * torch.pi * 220 * torch.arange(44100) / 44100)[None, None]
    >>> first, state = compressor.process(dry[..., :20000], {"threshold": "-24dB"}, 44100)
    >>> second, state = compressor.process(dry[..., 20000:], {"threshold": "-24dB"}, 44100, state)
    >>> whole, _ = compressor.process(dry, {"threshold": "-24dB"}, 44100)
    >>> torch.equal(torch.cat([first, second], dim=-1), whole)
    True
"""

from typing import get_args

from effects.processors.compressors import COMP_4C, COMP_LARGE, Compressor, SmoothedLevelCompressor
from effects.processors.delays import Delay, Echo
from effects.processors.drives import Contrast, CubicOverdrive, Distortion, Overdrive, Waveshaper
from effects.processors.filters import Band, Biquad, BiquadKind, ButterworthLowpass
from effects.processors.levels import Gain, Offset
from effects.processors.modulation import Flanger, Phaser
from effects.processors.noise import AddNoise
from effects.processors.pedalboard import PEDALBOARD
from effects.processors.processor import Processor, State
from vocoders.core.model_source import shipped_names
from vocoders.core.plugins import Registry, check_name

__all__ = ["PROCESSORS", "Processor", "State", "find_processor"]

PROCESSORS: Registry[Processor] = Registry(
    "effect",
    "ondes.processors",
    {
        processor.name: processor
        for processor in [
            Compressor("comp_4c", COMP_4C, neutral={"ratio": 1.0}),
            Compressor("comp_large", COMP_LARGE, neutral={"threshold": 0.0}),
            SmoothedLevelCompressor(),
            Echo(),
            ButterworthLowpass(),
            AddNoise(),
            *(Biquad(kind) for kind in get_args(BiquadKind)),
            Band(),
            Overdrive(),
            CubicOverdrive(),
            Distortion(),
            Waveshaper(),
            Contrast(),
            Delay(),
            Phaser(),
            Flanger(),
            Gain(),
            Offset(),
            *PEDALBOARD,
        ]
    },
    Processor,
    reserved=shipped_names,
    check=check_name,
)


def find_processor(name: str) -> Processor:
    """Return the processor called ``name``.

    Raises:
        ConfigError: if there is none; the message has the nearest name, or all names.
    """
    return PROCESSORS.find(name)
