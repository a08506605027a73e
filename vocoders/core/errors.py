"""The errors that ondes raises on purpose.

Each message says what was found, what was expected and what to do about it, in one line: the command line prints it
as it is.
"""

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "MissingExtraError",
    "OndesError",
    "ShapeError",
    "UnreadableAudioError",
]


class OndesError(Exception):
    """Base of every error that a user can put right."""


class ConfigError(OndesError):
    """A configuration or a command line that cannot be carried out."""


class ShapeError(OndesError):
    """A tensor whose shape breaks a documented contract."""


class DataError(OndesError):
    """An audio file, feature file or data directory that cannot be used."""


class UnreadableAudioError(DataError):
    """An audio file that cannot be read.

    Attributes:
        reason: the cause in few words, without the path, as a list of such files gives it: ``not audio (a text file)``.
    """

    def __init__(self, message: str, reason: str) -> None:
        """Take the whole message and the ``reason`` alone."""
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Travel between processes with both parts."""
        return type(self), (str(self), self.reason)


class CheckpointError(OndesError):
    """A checkpoint that is damaged, of another family, or does not fit the network."""


class MissingExtraError(OndesError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        """Name the missing ``package``, the ``extra`` that brings it and what it is needed for."""
        super().__init__(f"{purpose} needs {package}, which is not installed; pip install 'ondes[{extra}]'")
