"""What all corpus layouts need: walking folders, reading transcripts, saying what was expected."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from vocoders.core.errors import DataError
from vocoders.core.text import read_text

__all__ = ["AUDIO_SUFFIXES", "audio_files", "corpus_root", "folder_names", "read_transcript"]

_logger = logging.getLogger(__name__)

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"})


def corpus_root(source: str | Path) -> Path:
    """Return the absolute path of a corpus.

    Raises:
        DataError: if there is no such folder.
    """
    root = Path(os.path.abspath(source))
    if not root.is_dir():
        raise DataError(f"{source}: no such corpus folder; give the folder that holds the extracted corpus")
    return root


def folder_names(folder: Path) -> list[str]:
    """Return the names of the visible folders in ``folder``, sorted."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def audio_files(folder: Path, suffixes: frozenset[str] = AUDIO_SUFFIXES) -> Iterator[Path]:
    """Yield all audio files below ``folder`` in sorted order; links are followed once, hidden names left out."""
    visited: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes:
                yield Path(parent, name)


def read_transcript(path: Path) -> str | None:
    """Return the words of a transcript file on one line; ``None``, with a warning, if it is there and no text."""
    if not path.is_file():
        return None
    try:
        return " ".join(read_text(path).split()) or None
    except DataError as error:
        _logger.warning("%s; the utterance has no transcript", error)
        return None
