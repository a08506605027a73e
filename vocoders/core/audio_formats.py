"""The file names that count as audio: one list for every command.

libsndfile reads most formats directly; the program ffmpeg, where it is installed, decodes others. Headerless audio is
refused, since its sample rate and its channels are unknown.
"""

import logging
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import soundfile

from vocoders.core import ffmpeg
from vocoders.core.errors import DataError
from vocoders.core.folder_search import search_folder
from vocoders.core.text import enumerate_some

__all__ = [
    "AUDIO_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "find_files",
    "has_sample_format",
    "list_audio",
    "output_format",
    "reason_to_leave_out",
    "warn_of_left_out",
]

_logger = logging.getLogger(__name__)

_HEADERLESS = (".raw", ".pcm", ".vox", ".gsm")
# Further suffixes of the formats, besides libsndfile's names.
_OTHER_NAMES = (".wave", ".bwf", ".oga", ".opus", ".mp2", ".aif", ".aifc", ".snd", ".sph", ".8svx")
_READ_DIRECTLY = (*(f".{name.lower()}" for name in soundfile.available_formats() if name != "RAW"), *_OTHER_NAMES)

_COMMON = (".wav", ".flac", ".ogg", ".mp3")
AUDIO_SUFFIXES = tuple(dict.fromkeys((*_COMMON, *sorted(_READ_DIRECTLY), *ffmpeg.SUFFIXES, *_HEADERLESS)))

_WRITTEN = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aif": ("AIFF", "PCM_16"),
    ".aiff": ("AIFF", "PCM_16"),
    ".au": ("AU", "PCM_16"),
    ".caf": ("CAF", "PCM_16"),
    ".w64": ("W64", "PCM_16"),
}
# Older versions of libsndfile lack some of these.
WRITABLE_SUFFIXES = tuple(suffix for suffix, kind in _WRITTEN.items() if soundfile.check_format(*kind))

_NAMED = 3


def output_format(path: Path) -> tuple[str, str]:
    """Return the container for the suffix of an output file, and its default sample format.

    Raises:
        DataError: if files of that suffix cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITABLE_SUFFIXES:
        known = ", ".join(WRITABLE_SUFFIXES)
        raise DataError(f"{path}: cannot write '{path.suffix}'; expected a name that ends in {known}")
    return _WRITTEN[suffix]


def has_sample_format(path: Path, subtype: str) -> bool:
    """Tell whether an output file can have a sample format; .opus files have Opus alone, as players expect."""
    container, usual = output_format(path)
    return soundfile.check_format(container, subtype) and (path.suffix.lower() != ".opus" or subtype == usual)


def find_files(folder: Path, suffixes: Collection[str] = AUDIO_SUFFIXES) -> Iterator[Path]:
    """Yield all files of these suffixes below ``folder``, sorted; links are followed once, hidden names left out."""
    return (path for path in search_folder(folder) if path.suffix.lower() in suffixes)


def reason_to_leave_out(path: Path) -> str:
    """Return why an audio file of this name cannot be read on this machine; empty if it is worth trying."""
    suffix = path.suffix.lower()
    if suffix in _HEADERLESS:
        return "headerless audio, convert it to .wav"
    if suffix in ffmpeg.SUFFIXES and not ffmpeg.is_installed():
        return "needs the program ffmpeg, which is not installed"
    return ""


def list_audio(folder: Path) -> list[Path]:
    """Return the audio files below ``folder``; files that cannot be read on this machine come last, with a warning.

    They are returned too, so that reading them fails with its cause and no file is silently missing. Files beside them
    whose names are not those of audio are counted and named in the log.
    """
    found = list(search_folder(folder))
    paths = [path for path in found if path.suffix.lower() in AUDIO_SUFFIXES]
    others = [path.name for path in found if path.suffix.lower() not in AUDIO_SUFFIXES]
    if paths and others:
        count = f"{len(others)} file{'s' if len(others) > 1 else ''}"
        _logger.info("%s: %s left out (not named like audio): %s", folder, count, enumerate_some(others, _NAMED))
    warn_of_left_out(paths, str(folder))
    return sorted(paths, key=lambda path: bool(reason_to_leave_out(path)))


def warn_of_left_out(paths: Iterable[Path], place: str) -> None:
    """Warn of the files among ``paths`` that cannot be read on this machine: number, first names, reason."""
    by_reason: dict[str, list[str]] = {}
    for path in paths:
        if reason := reason_to_leave_out(path):
            by_reason.setdefault(reason, []).append(path.name)
    for reason, names in by_reason.items():
        count = f"{len(names)} audio file{'s' if len(names) > 1 else ''}"
        _logger.warning("%s: %s left out (%s): %s", place, count, reason, enumerate_some(names, _NAMED))
