"""Open a file from anywhere: a regular file of bounded size, never a device or a pipe, which may block or never end."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from vocoders.core.limits import limit, limit_error

__all__ = ["RefusedFileError", "check_regular", "open_regular", "read_regular"]


class RefusedFileError(OSError):
    """A file that is not read: no regular file, or above a limit; ``strerror`` and the message give the cause alone."""

    def __str__(self) -> str:
        return str(self.strerror)


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file for reading; what is not a regular file is refused, and not waited for.

    Raises:
        RefusedFileError: for a folder, a device, a pipe or a socket, or a name that no file can have.
        OSError: if the system refuses.
    """
    # Another process may replace the file between a check and its opening, so the opened file is checked.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError as error:
        raise _impossible_name(path, error) from None
    try:
        _check_kind(os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | Path, limit_name: str) -> bytes:
    """Return the content of a regular file, which must not be larger than a limit.

    Raises:
        RefusedFileError: for another kind of file, or a larger one.
        OSError: if the system refuses.
    """
    most = limit(limit_name)
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        # Files of the system, as in /proc, state a size of 0.
        content = stream.read(most + 1) if size <= most else b""
    if max(size, len(content)) > most:
        raise RefusedFileError(errno.EFBIG, limit_error(limit_name, max(size, len(content))), str(path))
    return content


def check_regular(path: str | Path, limit_name: str | None = None) -> int:
    """Return the size in bytes of a regular file that another library is going to open.

    Raises:
        RefusedFileError: for another kind of file, or one that is larger than a limit.
        OSError: if there is no such file.
    """
    try:
        found = os.stat(path)
    except ValueError as error:
        raise _impossible_name(path, error) from None
    _check_kind(found.st_mode)
    if limit_name is not None and found.st_size > limit(limit_name):
        raise RefusedFileError(errno.EFBIG, limit_error(limit_name, found.st_size), str(path))
    return found.st_size


def _impossible_name(path: str | Path, error: ValueError) -> RefusedFileError:
    """Return the error for a name with a zero byte, or with characters that the system cannot encode."""
    return RefusedFileError(errno.EINVAL, f"no file has this name ({error})", str(path))


def _check_kind(mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    kind = next((name for is_kind, name in kinds if is_kind(mode)), "a device")
    raise RefusedFileError(errno.EINVAL, f"it is {kind}; expected a regular file")
