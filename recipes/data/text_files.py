"""Small text files of a folder, written together and only if their content changes."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from vocoders.core.atomic import atomic_file

__all__ = ["write_texts"]


def write_texts(folder: str | Path, texts: Mapping[str, str | None]) -> list[str]:
    """Write several text files of a folder so that they change together.

    All new contents are on the disk before the first file is replaced. A file that is already correct is left
    unchanged, with its time stamp; a file whose text is ``None`` is removed.

    Returns:
        The names of the files that changed.

    Raises:
        DataError: if a file cannot be written; then none has changed.
    """
    folder = Path(folder)
    changed: list[str] = []
    with ExitStack() as replacements:
        for name, text in texts.items():
            path = folder / name
            if text is not None and not _holds(path, text.encode("utf-8")):
                # Each file is replaced when the stack closes, so an error before that changes nothing.
                temporary = replacements.enter_context(atomic_file(path, durable=True))
                temporary.write_bytes(text.encode("utf-8"))
                changed.append(name)
    for name, text in texts.items():
        if text is None and (folder / name).exists():
            (folder / name).unlink()
            changed.append(name)
    return changed


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
