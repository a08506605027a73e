"""Arrays of an HDF5 file."""

from pathlib import Path

import numpy as np

from vocoders.core.errors import DataError, MissingExtraError
from vocoders.core.limits import limit, limit_error
from vocoders.core.regular_files import check_regular

__all__ = ["read_hdf5"]


def read_hdf5(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of numbers in an HDF5 file by name; those in groups have names with slashes.

    Raises:
        DataError: if the file is missing or damaged, refers to other files, or unpacks to more than the limits allow.
        MissingExtraError: without h5py.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "formats", "reading HDF5 files") from None
    found: dict[str, np.ndarray] = {}
    left = 0

    def keep(name: str, item: object) -> None:
        nonlocal left
        if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub":
            return
        if item.external or item.is_virtual:
            raise RuntimeError(f"the numbers of '{name}' are in another file")
        left -= item.nbytes
        if left < 0:
            raise RuntimeError(f"it unpacks to {limit_error('unpacked', item.nbytes)}")
        found[name] = item[()]

    try:
        left = max(check_regular(path, "numbers"), limit("unpacked"))
        with h5py.File(path, "r") as file:
            file.visititems(keep)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise DataError(f"{path} is damaged, or no HDF5 file: {error}") from None
    return found
