"""Files of feature statistics: ours, numpy arrays, and the reference's scalers in a joblib file."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load

from vocoders.core.errors import CheckpointError
from vocoders.core.inert_pickle import ForeignClassError, Holder, read_inert_pickle
from vocoders.core.text import looks_like_text

__all__ = ["IDENTITY", "read_statistics"]

IDENTITY = "identity"
"""Denotes the identity: mean 0 and deviation 1."""

_CONVERSIONS = {
    "joblib": "import joblib, numpy; s = joblib.load('{name}')['mel']; "
    "numpy.savez('stats.npz', mean=s.mean_, std=s.scale_)",
    "HDF5": "import h5py, numpy; f = h5py.File('{name}'); "
    "numpy.savez('stats.npz', mean=f['mean'][()], std=f['std'][()])",
}


def read_statistics(path: str | Path, names: Sequence[str], feature: str | None = None) -> dict[str, Any]:
    """Read numbers or arrays by name; the content decides the format, not the suffix, and no code of the file runs.

    Args:
        path: ``.npz``, ``.safetensors`` or ``.json`` with ``names``; for two names also ``.npy`` with two rows; a
            pickle of these, or a joblib file of ``StandardScaler`` objects, whose ``mean`` and ``std`` are read.
        names: names to return.
        feature: name of the scaler, where there are several.

    Raises:
        CheckpointError: if the file cannot be read or lacks one of the names; the message has the remedy.
    """
    path = Path(path)
    expected = " and ".join(f"'{name}'" for name in names)
    try:
        found = _numbers_in(path.read_bytes(), names, feature)
        return {name: found[name] for name in names}
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such statistics file") from None
    except ForeignClassError as error:
        problem, line = f"it contains {error}, and reading that would execute code", _CONVERSIONS["joblib"]
    except _HDF5Error:
        problem, line = "it is an HDF5 file", _CONVERSIONS["HDF5"]
    except KeyError as error:
        raise CheckpointError(f"{path}: expected {expected}; it has no {error}") from None
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        formats = ".npz, .npy, .json, .safetensors or joblib"
        raise CheckpointError(f"{path}: expected {expected} in {formats}: {error}") from None
    raise CheckpointError(
        f'{path}: {problem}; where you trust the file, convert it: python -c "{line.format(name=path.name)}"'
    )


class _HDF5Error(Exception):
    pass


def _numbers_in(data: bytes, names: Sequence[str], feature: str | None) -> Mapping[str, Any]:
    if not data:
        raise ValueError("it is empty")
    if data.startswith(b"\x89HDF"):
        raise _HDF5Error
    if data.startswith(b"PK"):
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return dict(arrays)
    if data.startswith(b"\x93NUMPY"):
        return _rows(np.load(io.BytesIO(data), allow_pickle=False), names)
    if data[8:9] == b"{" and not data.lstrip().startswith(b"{"):
        return load(data)
    if data.lstrip()[:1] == b"{":
        return json.loads(data)
    try:
        found = read_inert_pickle(data)
    except ForeignClassError:
        raise
    except ValueError as error:
        raise ValueError("it is a text file") if looks_like_text(data[:512]) else error from None
    return _of_feature(found, names, feature)


def _rows(array: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    if len(array) != len(names):
        raise ValueError(f"an array {array.shape}; expected {len(names)} rows")
    return dict(zip(names, array, strict=True))


def _of_feature(found: Any, names: Sequence[str], feature: str | None) -> Mapping[str, Any]:
    """Return the numbers of a pickle: of its only scaler, of the scaler of ``feature``, or by name."""
    if isinstance(found, Holder):
        return _of_scaler(found)
    if not isinstance(found, Mapping):
        raise ValueError(f"found {type(found).__name__}")
    if all(name in found for name in names) or feature is None:
        return found
    inner = found.get(feature)
    if inner is None:
        raise KeyError(f"{feature} (found: {', '.join(map(str, found)) or 'nothing'})")
    return _of_feature(inner, names, feature)


def _of_scaler(scaler: Holder) -> dict[str, Any]:
    fields = vars(scaler)
    if fields.get("mean_") is None and fields.get("scale_") is None:
        raise ValueError("found a scaler that was not fitted")
    known = next(np.asarray(fields[key]) for key in ("mean_", "scale_") if fields.get(key) is not None)
    mean, scale = fields.get("mean_"), fields.get("scale_")
    return {
        "mean": np.zeros_like(known) if mean is None else mean,
        "std": np.ones_like(known) if scale is None else scale,
    }
