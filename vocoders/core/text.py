"""Text: files saved by any editor or spreadsheet, with their encodings and line ends; lists in messages."""

import codecs
import logging
import re
from collections.abc import Sequence
from pathlib import Path

from vocoders.core.errors import DataError
from vocoders.core.regular_files import read_regular

__all__ = ["enumerate_some", "looks_like_text", "read_lines", "read_text"]

_logger = logging.getLogger(__name__)

# UTF-32 first, since its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Bytes that no text in a one-byte encoding contains; 0x1A ends DOS files.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")


def read_text(path: str | Path, kind: str = "file", limit: str = "text") -> str:
    r"""Read a text file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Any other encoding is read as Windows-1252, which contains the printable part of Latin-1, with a warning.

    Args:
        path: the file.
        kind: kind of file, for the message about a missing file.
        limit: name of the limit of its size.

    Returns:
        The text, with ``\n`` as the only line end and without byte order marks at the beginning of lines.

    Raises:
        DataError: if there is no such file, it is not text, or it is larger than its limit.
    """
    try:
        content = read_regular(path, limit)
    except FileNotFoundError:
        raise DataError(f"{path}: no such {kind}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read as text: {error.strerror or error}") from None
    text = _decode(content, path).replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:  # which no name of a file may contain
        raise _no_text(path, f"a zero byte in line {text.count(chr(10), 0, text.index(chr(0))) + 1}")
    # Concatenated files have a mark in their middle.
    return text.lstrip("\ufeff").replace("\n\ufeff", "\n").rstrip("\x1a")


def read_lines(path: str | Path, kind: str = "file") -> list[tuple[int, str]]:
    """Return the lines of a text file that are not blank, with their numbers from 1, without surrounding white space.

    Arguments and errors are those of :func:`read_text`.
    """
    lines = enumerate(read_text(path, kind).split("\n"), start=1)
    return [(number, stripped) for number, line in lines if (stripped := line.strip())]


def looks_like_text(start: bytes) -> bool:
    """Return whether a file that starts with these bytes is text in UTF-8; a last character may be cut in two."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


def enumerate_some(names: Sequence[str], most: int) -> str:
    """Return the first ``most`` names for a message, and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _decode(content: bytes, path: str | Path) -> str:
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), _unmarked_encoding(content))
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        place = error.start
        if encoding != "utf-8" or _BINARY.search(content):
            raise _no_text(path, f"no {encoding.upper()} from byte {place} on") from None
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise _no_text(path, f"no UTF-8 from byte {place} on") from None
    _logger.warning("%s: no UTF-8 from byte %d on; read as Windows-1252 (Latin-1)", path, place)
    return text


def _unmarked_encoding(content: bytes) -> str:
    """Return UTF-16 where a first character of ASCII shows it, else UTF-8."""
    if len(content) % 2 == 0 and content[:2].count(0) == 1:
        return "utf-16-be" if content[0] == 0 else "utf-16-le"
    return "utf-8"


def _no_text(path: str | Path, found: str) -> DataError:
    return DataError(f"{path}: cannot be read as text: {found}; save it as plain text or CSV in UTF-8")
