"""Shared by all corpus layouts: walking folders, reading transcripts, messages about the expected layout."""

import logging
import os
from pathlib import Path

from vocoders.core.errors import DataError
from vocoders.core.text import read_text

__all__ = ["corpus_root", "folder_names", "read_transcript"]

_logger = logging.getLogger(__name__)


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


def read_transcript(path: Path) -> str | None:
    """Return the words of a transcript file on one line; ``None`` if missing, or with a warning if not text."""
    if not path.is_file():
        return None
    try:
        return " ".join(read_text(path).split()) or None
    except DataError as error:
        _logger.warning("%s; the utterance has no transcript", error)
        return None
