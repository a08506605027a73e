"""Arrays of NumPy files from anywhere: headers are compared with the file and the limits before anything is read."""

import errno
import io
import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vocoders.core.limits import limit, limit_error
from vocoders.core.regular_files import RefusedFileError, check_regular, open_regular

__all__ = ["check_unpacked", "parse_npy", "read_npy", "read_npy_header", "read_npz", "write_npy_in_parts"]


def read_npy(path: str | Path, mmap: bool = False) -> np.ndarray:
    """Return the array of a ``.npy`` file, which contains numbers alone.

    Args:
        path: the file.
        mmap: map the file into memory instead of reading it; then its size has no limit.

    Raises:
        OSError: if it cannot be read, or is larger than the limit ``numbers``.
        ValueError: if it is damaged, contains objects, or states a size that it does not have.
    """
    with open_regular(path) as stream:
        _check_npy(stream)
    if not mmap:
        check_regular(path, "numbers")
    return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)


def parse_npy(content: bytes) -> np.ndarray:
    """Return the array of the content of a ``.npy`` file; errors as in :func:`read_npy`."""
    stream = io.BytesIO(content)
    _check_npy(stream)
    stream.seek(0)
    return np.load(stream, allow_pickle=False)


def _check_npy(stream: BinaryIO) -> None:
    shape, dtype = read_npy_header(stream)
    start = stream.tell()
    present = stream.seek(0, 2) - start
    if dtype.hasobject:
        raise ValueError("it contains objects, and reading them would execute code; expected numbers")
    if min(shape, default=0) < 0:  # NumPy 1 reads such a file, as some other shape
        raise ValueError(f"its header states the shape {shape}; expected no negative size")
    promised = math.prod(shape, start=dtype.itemsize)
    if promised > present:
        raise ValueError(f"its header states {promised} bytes of numbers, and {present} follow")


def read_npz(source: str | Path | BinaryIO) -> dict[str, np.ndarray]:
    """Return the arrays of a ``.npz`` file by name.

    Raises:
        OSError: if it cannot be read, or unpacks to more than the limits allow.
        ValueError: if it is damaged or contains objects.
    """
    size = source.seek(0, 2) if not isinstance(source, (str, Path)) else check_regular(source)
    if not isinstance(source, (str, Path)):
        source.seek(0)
    try:
        check_unpacked(source, size)
        with np.load(source, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except MemoryError:
        raise ValueError("its headers state sizes that the file does not have") from None
    # RuntimeError: members with a password; NotImplementedError: other compressions.
    except (zipfile.BadZipFile, EOFError, KeyError, RuntimeError) as error:
        raise ValueError(f"no archive of arrays: {error}") from None


def check_unpacked(source: str | Path | BinaryIO, size: int) -> None:
    """Refuse a zip archive of ``size`` bytes that unpacks to far more.

    Raises:
        RefusedFileError: if its members together are larger than the file and the limit ``unpacked``, or the limit
            ``numbers``.
        BadZipFile: if it is no zip archive.
    """
    with zipfile.ZipFile(source) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if not isinstance(source, (str, Path)):
        source.seek(0)
    if unpacked > max(size, limit("unpacked")):
        raise RefusedFileError(errno.EFBIG, f"it unpacks to {limit_error('unpacked', unpacked)}")


def read_npy_header(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and the type of the array in a ``.npy`` file; the stream is then at its first number.

    Raises:
        ValueError: if there is no header, or a damaged one.
    """
    try:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
    except Exception as error:  # Python's own parser reads the header, with errors of many types
        raise ValueError(f"no header of a NumPy file: {str(error).splitlines()[0] if str(error) else ''}") from None
    return shape, dtype


def write_npy_in_parts(
    path: str | Path, rows: int, columns: int, parts: Iterable[np.ndarray], columns_first: bool = False
) -> None:
    """Write the file that ``numpy.save`` would write of the whole matrix, of which only a part is in memory.

    Args:
        path: the file.
        rows: number of rows.
        columns: number of columns of all parts together.
        parts: matrices (rows, n), which follow each other; they are written as float32.
        columns_first: state the shape of the transposed matrix (columns, rows).

    Raises:
        OSError: if the system refuses to write.
        ValueError: if the parts have another shape together.
    """
    shape = (columns, rows) if columns_first else (rows, columns)
    done = 0
    with open(path, "wb") as stream:
        header = {"descr": "<f4", "fortran_order": columns_first, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        start = stream.tell()
        for part in parts:
            if len(part) != rows or done + part.shape[1] > columns:
                raise ValueError(f"a part {part.shape} after {done} columns; expected {rows} rows, {columns} columns")
            for row, values in enumerate(part):
                stream.seek(start + 4 * (row * columns + done))
                stream.write(np.ascontiguousarray(values, "<f4").data)
            done += part.shape[1]
    if done != columns:
        raise ValueError(f"{done} columns; expected {columns}")
