"""Arrays of an HDF5 file."""

from pathlib import Path

import numpy as np

from vocoders.core.errors import DataError, MissingExtraError

__all__ = ["read_hdf5"]


def read_hdf5(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of numbers in an HDF5 file by name; those in groups have names with slashes.

    Raises:
        DataError: if the file is missing or damaged.
        MissingExtraError: without h5py.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "formats", "reading HDF5 files") from None
    found: dict[str, np.ndarray] = {}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiub":
            found[name] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(keep)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path} is damaged, or no HDF5 file: {error}") from None
    return found
