"""What all corpus layouts need: walking folders, reading transcripts, saying what was expected."""

import os
from pathlib import Path

from vocoders.core.errors import DataError

__all__ = ["corpus_root", "folder_names", "read_text"]


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


def read_text(path: Path) -> str | None:
    """Return the words of a transcript file on one line; ``None`` if there is no readable one."""
    try:
        return " ".join(path.read_text(encoding="utf-8-sig").split()) or None
    except (OSError, UnicodeDecodeError):
        return None
