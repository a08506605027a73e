"""The errors that ondes raises on purpose.

Each message is one line with the value found, the value expected and the remedy; the command line prints it unchanged.
"""

import re
from collections.abc import Sequence

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DiskError",
    "FilesFailedError",
    "MissingExtraError",
    "OndesError",
    "ShapeError",
    "UnreadableAudioError",
    "WorkersDiedError",
    "escaped",
]


# Characters that end lines, control terminals, or turn the direction of writing.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def escaped(text: str, kept: str = "", form: str = "") -> str:
    """Return a text in which control characters are escaped; names of files may contain any.

    Args:
        text: the text.
        kept: control characters that stay, such as ends of lines.
        form: format of the number of a character; by default as Python writes it.
    """

    def escape(found: re.Match[str]) -> str:
        character = found[0]
        if character in kept:
            return character
        return form.format(ord(character)) if form else character.encode("unicode_escape").decode()

    return _CONTROL.sub(escape, text)


class OndesError(Exception):
    """Base of every error that a user can correct.

    Messages quote names and texts from files of any origin; control characters in them are escaped.
    """

    def __init__(self, message: str = "") -> None:
        """Take the message."""
        super().__init__(escaped(message))


class ConfigError(OndesError):
    """A configuration or a command line that is impossible."""


class ShapeError(OndesError):
    """A tensor whose shape breaks a documented contract."""


class DataError(OndesError):
    """An audio file, feature file or data directory that cannot be used."""


class DiskError(DataError):
    """A disk that is full or can only be read: whatever else is to be written there would fail too."""


class FilesFailedError(DataError):
    """Some of many files failed, after all of them were tried.

    Attributes:
        failures: one line for each.
    """

    def __init__(self, failures: Sequence[str], count: int) -> None:
        """Take the ``failures`` and the number of all files."""
        super().__init__(f"{len(failures)} of {count} files failed; the first: {failures[0]}")
        self.failures, self.count = tuple(failures), count


class WorkersDiedError(DataError):
    """Processes that share work die, whatever they work on."""


class UnreadableAudioError(DataError):
    """An audio file that cannot be read.

    Attributes:
        reason: the cause in a few words without the path, for lists of such files: ``not audio (a text file)``.
    """

    def __init__(self, message: str, reason: str) -> None:
        """Take the whole message and the ``reason`` alone."""
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Pickle both parts, for other processes."""
        return type(self), (str(self), self.reason)


class CheckpointError(OndesError):
    """A checkpoint that is damaged, of another family, or does not fit the network."""


class MissingExtraError(OndesError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        """Name the missing ``package``, the ``extra`` that installs it, and the ``purpose`` it is needed for."""
        super().__init__(f"{purpose} needs {package}, which is not installed; pip install 'ondes[{extra}]'")
