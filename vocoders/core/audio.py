"""Audio files: read, write, inspect and resample, for every command in the same way.

libsndfile reads wav, flac, ogg, mp3, aiff and many more; ffmpeg, where it is installed, reads m4a, webm and others.
Samples are float32 with full scale 1, so 24-bit PCM and float files are read without loss.
"""

from vocoders.core.audio_formats import AUDIO_SUFFIXES, WRITABLE_SUFFIXES
from vocoders.core.audio_reading import AudioInfo, audio_info, read_audio, read_blocks
from vocoders.core.audio_writing import write_audio, write_blocks
from vocoders.core.resampling import resample, resample_blocks

__all__ = [
    "AUDIO_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "AudioInfo",
    "audio_info",
    "read_audio",
    "read_blocks",
    "resample",
    "resample_blocks",
    "write_audio",
    "write_blocks",
]
