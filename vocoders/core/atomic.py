"""Files and folders that appear whole or not at all.

Everything is written under a temporary name in the folder of the target and renamed at the end. After an error, a full
disk, Ctrl-C or ``kill -9`` the previous content is unchanged; only ``kill -9`` leaves the temporary file.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vocoders.core.errors import DataError, DiskError, OndesError

__all__ = ["atomic_file", "atomic_folder", "is_full", "remove_remains", "remove_temporaries", "writing"]

# Bytes that are left on a full disk at most.
_LITTLE_SPACE = 1 << 20
# Refusals that every other file on the disk would meet.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# How often a folder is replaced that other processes replace too.
_TRIES = 20
# Name of what a process is writing.
_TEMPORARY = ".ondes-{process}-{word}.part"
# What this process is writing.
_temporaries: set[Path] = set()


def remove_temporaries() -> None:
    """Remove what this process is writing; for an end of the process without the usual clean-up."""
    _remove(list(_temporaries))


def remove_remains(folder: Path, process: int) -> None:
    """Remove what a process that was killed, by its number, has left half written in a folder."""
    _remove(folder.glob(_TEMPORARY.format(process=process, word="*")))


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True) if path.is_file() else shutil.rmtree(path, ignore_errors=True)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn a refusal of the system in the block into an error that names ``path`` and the cause.

    Raises:
        DiskError: for a full disk, or one that can only be read.
        DataError: for a missing permission, a folder in place of a file ...
    """
    try:
        yield
    except OSError as error:
        raise _write_error(Path(path), error) from error


@contextmanager
def atomic_file(path: str | Path, overwrite: bool = True, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path, which is renamed to ``path`` when the block ends without an error.

    Args:
        path: the file to write; missing parent folders are made.
        overwrite: replace an existing file.
        durable: wait until the data is on the disk before the rename, so that a power cut cannot leave an empty file.

    Raises:
        DataError: if ``path`` exists and ``overwrite`` is false, or the system refuses to write (the cause is named).
    """
    with writing(path):
        path = _target(path)
        if path.is_dir():
            raise DataError(f"{path} is a folder; expected the name of a file to write")
        if path.exists() and not overwrite:
            raise DataError(f"{path} exists already; choose another name or allow overwriting")
    _make_folder(path.parent)
    temporary = _temporary_name(path)
    try:
        with writing(path):
            yield temporary
            if durable:
                _sync(temporary)
            _place_file(temporary, path, overwrite)
    finally:
        # What hinders this too has been told: a disk that became read-only, a folder that is gone.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        _temporaries.discard(temporary)


@contextmanager
def atomic_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder, which is renamed to ``path`` when the block ends without an error.

    Args:
        path: the folder to write; an existing empty folder counts as absent.
        overwrite: replace an existing folder and **everything in it**; the caller makes sure that this is intended.

    Raises:
        DataError: if ``path`` exists, contains the working directory, or the system refuses to write.
    """
    path = _target(path)
    # One look each: another process may replace the folder between two.
    if path.is_file():
        raise DataError(f"{path} is a file; expected the name of a folder to write")
    if not overwrite and path.is_dir() and any(path.iterdir()):
        raise DataError(f"{path} exists already; choose another name or allow overwriting")
    if path.is_dir() and Path.cwd().is_relative_to(path):
        raise DataError(f"{path} contains the working directory and cannot be replaced; choose another folder")
    _make_folder(path.parent)
    temporary = _temporary_name(path)
    try:
        with writing(path):
            temporary.mkdir()
        try:
            with writing(path):
                yield temporary
                for file in temporary.rglob("*"):
                    if file.is_file():
                        _sync(file)
                _place_folder(temporary, path, overwrite)
        except OndesError:
            # What works in the folder has its own words for files that it misses.
            if not temporary.exists():
                raise DataError(f"{path} cannot be written: its folder vanished in the meantime") from None
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _temporaries.discard(temporary)


def _target(path: str | Path) -> Path:
    """Follow links, so that the file that a link points to is replaced, not the link."""
    return Path(os.path.realpath(path))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        in_the_way = next(parent for parent in [folder, *folder.parents] if parent.is_file())
        raise DataError(f"{in_the_way} is a file; expected a folder to write to") from None
    except OSError as error:
        raise _write_error(folder, error) from None


def _temporary_name(path: Path) -> Path:
    # Short and independent of the target, whose name may already be as long as the system allows.
    temporary = path.parent / _TEMPORARY.format(process=os.getpid(), word=secrets.token_hex(4))
    _temporaries.add(temporary)
    return temporary


def _sync(file: Path) -> None:
    with open(file, "rb+") as stream:
        os.fsync(stream.fileno())


def _place_file(new: Path, path: Path, overwrite: bool) -> None:
    """Rename a file; without ``overwrite``, what another process has written in the meantime is left there."""
    if not overwrite:
        try:
            os.link(new, path)
            return
        except FileExistsError:
            raise DataError(f"{path} was written by another process in the meantime, and is left as it is") from None
        except OSError:  # a file system without links
            pass
    os.replace(new, path)


def _place_folder(new: Path, path: Path, overwrite: bool) -> None:
    """Rename the folder ``new`` to ``path``; an existing folder is moved aside first, then removed.

    Other processes may do the same at the same time: the last one prevails, and every folder is that of one of them.
    """
    for _ in range(_TRIES):
        try:
            os.rename(new, path)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if not overwrite:
            raise DataError(f"{path} was written by another process in the meantime, and is left as it is")
        aside = _temporary_name(path)
        _temporaries.discard(aside)
        try:
            os.rename(path, aside)
        except FileNotFoundError:  # another process has just moved it
            continue
        try:
            os.rename(new, path)
        except BaseException as error:
            if not path.exists():
                os.rename(aside, path)
                raise
            shutil.rmtree(aside, ignore_errors=True)
            if not isinstance(error, OSError):
                raise
            continue  # another process was faster
        shutil.rmtree(aside, ignore_errors=True)
        return
    raise DataError(f"{path}: other processes write it again and again; give each its own folder")


def _write_error(path: Path, error: OSError) -> DataError:
    # NumPy tells how many items were written, and no number of the error.
    full = error.errno is None and is_full(path.parent)
    kind = DiskError if full or error.errno in _DISK else DataError
    return kind(f"{path} cannot be written: {'the disk is full' if full else error.strerror or error}")


def is_full(folder: Path) -> bool:
    """Return whether the disk of a folder is full."""
    try:
        disk = shutil.disk_usage(folder)
    except OSError:  # the folder is gone
        return False
    # A folder in which the system shows itself has no size at all.
    return 0 < disk.total and disk.free < _LITTLE_SPACE
