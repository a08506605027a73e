"""Check whether an audio file is usable for training; if not, return the reason.

The header gives the duration quickly; decoding the whole file finds truncated, silent and NaN ones.
"""

from dataclasses import dataclass
from pathlib import Path

from vocoders.core.errors import UnreadableAudioError

__all__ = ["AudioCheck", "check_audio"]

_BLOCK = 1 << 16
_SILENCE = 1e-4


@dataclass(frozen=True, slots=True)
class AudioCheck:
    """Result of checking one file.

    Attributes:
        duration: in seconds.
        sample_rate: in Hz.
        channels: number of channels.
        problem: reason why the file is unusable; empty if it is usable.
    """

    duration: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    problem: str = ""


def check_audio(path: str | Path, decode: bool = True, min_duration: float = 0.0) -> AudioCheck:
    """Check one audio file; a bad file gives a result, never an exception.

    A truncated file counts as bad although it is readable, since training data is missing.

    Args:
        path: the file.
        decode: read the whole file, not only its header.
        min_duration: shortest usable duration in seconds.
    """
    from vocoders.core.audio import audio_info, read_blocks

    try:
        info = audio_info(path)
        problem = info.damage
        if not problem and info.duration < min_duration:
            problem = f"too short ({info.duration:.3f} s, at least {min_duration:g} s)"
        if not problem and decode:
            peak = max(float(block.abs().max()) for block in read_blocks(path, _BLOCK))
            problem = "silent (peak below -80 dBFS)" if peak < _SILENCE else ""
    except UnreadableAudioError as error:
        return AudioCheck(problem=error.reason)
    return AudioCheck(info.duration, info.sample_rate, info.channels, problem)
