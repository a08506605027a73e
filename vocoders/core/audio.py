"""Audio files: read, write, inspect and resample, for every command in the same way.

Reads what libsndfile reads (wav, flac, ogg, mp3, aiff among many), and through ffmpeg, where that is installed, what it
does not (m4a, webm and others). Samples are float32 with full scale 1, so 24-bit PCM and float files lose nothing.
"""

from vocoders.core.audio_formats import AUDIO_SUFFIXES, WRITABLE_SUFFIXES
from vocoders.core.audio_reading import AudioInfo, audio_info, read_audio, read_blocks
from vocoders.core.audio_writing import write_audio, write_blocks
from vocoders.core.resampling import resample

__all__ = [
    "AUDIO_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "AudioInfo",
    "audio_info",
    "read_audio",
    "read_blocks",
    "resample",
    "write_audio",
    "write_blocks",
]
