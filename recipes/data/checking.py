"""Find out whether an audio file can be trained on, and if not, say why in words.

The header gives the duration quickly; decoding the whole file finds truncated, silent and NaN ones.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

__all__ = ["AudioCheck", "check_audio"]

_BLOCK = 1 << 16
_SILENCE = 1e-4
_LOSSLESS = {"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF", "AU", "CAF", "NIST"}


@dataclass(frozen=True, slots=True)
class AudioCheck:
    """What was found in one file.

    Attributes:
        duration: in seconds.
        sample_rate: in Hz.
        channels: number of channels.
        problem: why the file cannot be used; empty if it can.
    """

    duration: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    problem: str = ""


def check_audio(path: str | Path, decode: bool = True, min_duration: float = 0.0) -> AudioCheck:
    """Check one audio file; a bad file is an answer, never an exception.

    Args:
        path: the file.
        decode: read the whole file, not only its header.
        min_duration: shortest useful duration in seconds.
    """
    path = Path(path)
    if not path.is_file():
        return AudioCheck(problem="no such file")
    if path.stat().st_size == 0:
        return AudioCheck(problem="empty file (0 bytes)")
    try:
        with soundfile.SoundFile(str(path)) as file:
            duration = file.frames / file.samplerate
            problem = _header_problem(file, duration, min_duration)
            if not problem and decode:
                problem = _content_problem(file)
            return AudioCheck(duration, file.samplerate, file.channels, problem)
    except soundfile.LibsndfileError as error:
        reason = str(error.error_string).removeprefix("Error : ").rstrip(".")
        broken = "not audio" if "recognised" in reason else "truncated or corrupt"
        return AudioCheck(problem=f"{broken} ({reason})")
    except OSError as error:
        return AudioCheck(problem=f"cannot be read ({error.strerror or error})")


def _header_problem(file: soundfile.SoundFile, duration: float, min_duration: float) -> str:
    notes = file.extra_info
    if "ended unexpectedly" in notes:
        return "truncated (the Ogg stream has no end)"
    if file.frames <= 0:
        return "no audio (0 samples)"
    for chunk in re.finditer(r"^\s*(?:data|SSND) : (\d+) \(should be (\d+)\)", notes, re.MULTILINE):
        promised, present = int(chunk[1]), int(chunk[2])
        # Programs that write to a pipe leave a huge placeholder as the length; such files are whole.
        if present < promised < 0x7FFFF000:
            return f"truncated ({present} of {promised} bytes)"
    if duration < min_duration:
        return f"too short ({duration:.3f} s, at least {min_duration:g} s)"
    return ""


def _content_problem(file: soundfile.SoundFile) -> str:
    decoded, peak = 0, 0.0
    while True:
        block = file.read(_BLOCK, dtype="float32", always_2d=True)
        if len(block) == 0:
            break
        decoded += len(block)
        block_peak = float(np.abs(block).max())
        if not np.isfinite(block_peak):
            return "holds NaN or infinite samples"
        peak = max(peak, block_peak)
    if decoded < file.frames and file.format in _LOSSLESS:
        return f"truncated ({decoded} of {file.frames} samples)"
    if peak < _SILENCE:
        return "silent (peak below -80 dBFS)"
    return ""
