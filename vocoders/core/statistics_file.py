"""Files of feature statistics: ours, and those of other programs.

Others are scalers of scikit-learn in a joblib file, ``mean`` and ``scale`` of ParallelWaveGAN (HDF5 or two rows),
count and sums of ESPnet (``feats_stats.npz``) and Kaldi (``cmvn.ark``), and the dictionary of Coqui
(``scale_stats.npy``). No code of a file runs.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from vocoders.core.errors import CheckpointError, DataError
from vocoders.core.hdf5 import read_hdf5
from vocoders.core.inert_pickle import ForeignClassError, Holder, read_inert_pickle
from vocoders.core.json_files import parse_json
from vocoders.core.kaldi_files import is_kaldi, read_archive, read_entry, read_table
from vocoders.core.numpy_files import read_npy_header, read_npz
from vocoders.core.regular_files import read_regular
from vocoders.core.text import looks_like_text

__all__ = ["IDENTITY", "read_statistics"]

IDENTITY = "identity"
"""Denotes the identity: mean 0 and deviation 1."""

_CONVERSION = (
    "import joblib, numpy; s = joblib.load('{name}')['mel']; numpy.savez('stats.npz', mean=s.mean_, std=s.scale_)"
)


def read_statistics(path: str | Path, names: Sequence[str], feature: str | None = None) -> dict[str, Any]:
    """Read numbers or arrays by name; the content decides the format, not the suffix, and no code of the file runs.

    Args:
        path: ``.npz``, ``.safetensors``, ``.h5`` or ``.json`` with ``names``; for two names also ``.npy`` with two
            rows; a pickle of these; for ``mean`` and ``std`` also a joblib file of ``StandardScaler`` objects, and
            count and sums of ESPnet and Kaldi.
        names: names to return.
        feature: name of the scaler, where there are several.

    Raises:
        CheckpointError: if the file cannot be read or lacks one of the names; the message has the remedy.
        MissingExtraError: for a format whose reader is not installed.
    """
    path = Path(path)
    expected = " and ".join(f"'{name}'" for name in names)
    try:
        found = _by_name(_numbers_in(path, names, feature), names, feature)
        return {name: found[name] for name in names}
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such statistics file") from None
    except ForeignClassError as error:
        line = _CONVERSION.format(name=path.name)
        raise CheckpointError(
            f"{path}: it contains {error}, and reading that would execute code; where you trust the file, convert it: "
            f'python -c "{line}"'
        ) from None
    except KeyError as error:
        raise CheckpointError(f"{path}: expected {expected}; it has no {error}") from None
    except (OSError, ValueError, TypeError, EOFError, MemoryError, SafetensorError, DataError) as error:
        formats = ".npz, .npy, .h5, .json, .safetensors, joblib or a cmvn of Kaldi"
        raise CheckpointError(f"{path}: expected {expected} in {formats}: {error}") from None


def _numbers_in(path: Path, names: Sequence[str], feature: str | None) -> Mapping[str, Any]:
    data = read_regular(path, "numbers")
    if not data:
        raise ValueError("it is empty")
    if data.startswith(b"\x89HDF"):
        return read_hdf5(path)
    if data.startswith(b"PK"):
        return read_npz(io.BytesIO(data))
    if data.startswith(b"\x93NUMPY"):
        return _npy(data, names)
    if data[8:9] == b"{" and not data.lstrip().startswith(b"{"):
        return load(data)
    if data.lstrip()[:1] == b"{":
        return parse_json(data)
    if path.suffix == ".scp" or is_kaldi(data):
        return _kaldi_sums(path)
    try:
        found = read_inert_pickle(data)
    except ForeignClassError:
        raise
    except ValueError as error:
        raise ValueError("it is a text file") if looks_like_text(data[:512]) else error from None
    return _of_feature(found, names, feature)


def _by_name(found: Mapping[str, Any], names: Sequence[str], feature: str | None) -> Mapping[str, Any]:
    """Return numbers under ``mean`` and ``std`` where another program calls them differently."""
    if all(name in found for name in names) or set(names) != {"mean", "std"}:
        return found
    if {"count", "sum", "sum_square"} <= set(found):
        return _moments(found["count"], found["sum"], found["sum_square"])
    if {"mean", "scale"} <= set(found):
        return {"mean": found["mean"], "std": found["scale"]}
    prefix = f"{feature or 'mel'}_"
    return {name: found[prefix + name] if prefix + name in found else found[name] for name in names}


def _moments(count: Any, total: Any, squares: Any) -> dict[str, np.ndarray]:
    """Return mean and deviation from the number of frames and the sums of values and of their squares."""
    mean = np.asarray(total, dtype=np.float64) / count
    variance = np.maximum(np.asarray(squares, dtype=np.float64) / count - mean**2, 0.0)
    return {"mean": mean, "std": np.sqrt(variance)}


def _kaldi_sums(path: Path) -> dict[str, np.ndarray]:
    """Return mean and deviation of cmvn statistics (2, D + 1), added over the entries of an archive or table."""
    if path.suffix == ".scp":
        matrices = [read_entry(*place) for place in read_table(path).values()]
    else:
        matrices = [matrix for _, matrix in read_archive(path)]
    shapes = {matrix.shape for matrix in matrices}
    if len(shapes) != 1 or any(matrix.ndim != 2 or len(matrix) != 2 for matrix in matrices):
        raise ValueError(
            f"matrices {sorted(shapes)}; expected sums and squares in two rows, with the count behind them"
        )
    total = np.stack(matrices).astype(np.float64).sum(axis=0)
    if total[0, -1] <= 0:
        raise ValueError("a count of 0 frames")
    return _moments(total[0, -1], total[0, :-1], total[1, :-1])


def _npy(data: bytes, names: Sequence[str]) -> Mapping[str, Any]:
    stream = io.BytesIO(data)
    shape, dtype = read_npy_header(stream)
    if not dtype.hasobject:
        return _rows(np.load(io.BytesIO(data), allow_pickle=False), names)
    found = read_inert_pickle(stream.read(), objects=True)
    if shape != () or not isinstance(found, list) or not isinstance(found[0], Mapping):
        raise ValueError("an array of objects; expected a dictionary of numbers")
    return found[0]


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
