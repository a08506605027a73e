"""Feature files of any program: NumPy, PyTorch, HDF5, archives of Kaldi; nothing in a file is ever executed.

A file with one utterance contains its features, and perhaps F0, a voiced flag and the fingerprint of the front end.
Archives and tables contain many utterances by their ids.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vocoders.core.errors import DataError
from vocoders.core.hdf5 import read_hdf5
from vocoders.core.kaldi_files import list_archive, read_entry, read_table
from vocoders.core.numpy_files import read_npy, read_npz
from vocoders.core.regular_files import check_regular, open_regular

__all__ = ["FEATURE_SUFFIXES", "FeatureFile", "FeaturePlace", "list_utterances", "read_feature_file"]

FEATURE_SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".h5", ".hdf5", ".ark")
"""Suffixes of files with features."""

_FEATURES = ("features", "feats", "feat", "mel", "mels", "log_mel", "logmel", "mel_spec", "mel_spectrogram", "mspec")
_F0 = ("f0", "pitch", "F0")
_VOICED = ("voiced", "vuv", "voiced_flag")
_MEL_F0 = ("mel_f0",)


@dataclass(frozen=True)
class FeaturePlace:
    """Where the features of an utterance are: a file, and in an archive the offset in bytes."""

    path: Path
    offset: int | None = None

    @property
    def is_kaldi(self) -> bool:
        """Whether the features come from an archive of Kaldi, whose rows are frames."""
        return self.offset is not None or self.path.suffix.lower() == ".ark"

    def __str__(self) -> str:
        return str(self.path) if self.offset is None else f"{self.path}:{self.offset}"


@dataclass(frozen=True)
class FeatureFile:
    """The content of a feature file.

    Attributes:
        features: two axes, in the order of the file.
        f0: one value per frame, or one row; ``None``: there is none.
        voiced: whether each frame is voiced; ``None``: unknown.
        fingerprint: front end of the features in one line; ``None``: unknown.
        mel_f0: F0 of the audio that the features come from, where ``f0`` is another; ``None``: they are the same.
    """

    features: np.ndarray
    f0: np.ndarray | None = None
    voiced: np.ndarray | None = None
    fingerprint: str | None = None
    mel_f0: np.ndarray | None = None


def list_utterances(path: Path) -> dict[str, FeaturePlace]:
    """Return the utterances of an archive (``.ark``), a table (``.scp``) or the ``feats.scp`` of a folder, by id.

    Raises:
        DataError: for a damaged file, or an id that could not name a file.
        MissingExtraError: for an archive without kaldiio.
    """
    table = path / "feats.scp" if path.is_dir() else path
    if table.suffix == ".ark":
        found = {key: FeaturePlace(table, offset) for key, offset in list_archive(table).items()}
    else:
        found = {
            key: FeaturePlace(file, offset if file.suffix == ".ark" or offset else None)
            for key, (file, offset) in read_table(table).items()
        }
    for key in found:
        if "/" in key or key.startswith("."):
            raise DataError(f"{table}: id '{key}' must not hold a slash or begin with a dot: it names an output")
    if not found:
        raise DataError(f"{table} is empty; expected features")
    return found


def read_feature_file(place: FeaturePlace | Path) -> FeatureFile:
    """Read the features of one utterance.

    Arrays with names that other programs use are found by their names, else the only array with two axes is taken. A
    leading axis of length 1 is dropped.

    Raises:
        DataError: if the file is missing or damaged, or contains no features, or anything but numbers.
        MissingExtraError: for HDF5 and Kaldi without their readers.
    """
    if isinstance(place, Path):
        place = FeaturePlace(place)
    arrays = _read_arrays(place)
    features = _without_items(_find_features(arrays, str(place)))
    if features.ndim == 3:
        raise DataError(f"{place} contains {len(features)} utterances {features.shape}; write one file for each")
    if features.ndim != 2 or features.size == 0 or features.dtype.kind not in "fiu":
        found = f"{features.shape} {features.dtype}"
        raise DataError(f"{place} contains features {found}; expected numbers (bins, frames) or (frames, bins)")
    f0, voiced, mel_f0 = (_find_numbers(arrays, names, str(place)) for names in (_F0, _VOICED, _MEL_F0))
    fingerprint = arrays.get("fingerprint")
    return FeatureFile(features, f0, voiced, None if fingerprint is None else str(fingerprint), mel_f0)


def _read_arrays(place: FeaturePlace) -> Mapping[str, Any]:
    path, suffix = place.path, place.path.suffix.lower()
    if place.offset is not None:
        return {"features": read_entry(path, place.offset)}
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    if suffix in (".h5", ".hdf5"):
        return read_hdf5(path)
    if suffix in (".pt", ".pth"):
        return _read_torch(path)
    if suffix == ".ark":
        entries = list_archive(path)
        if len(entries) != 1:
            raise DataError(f"{path} contains {len(entries)} utterances; expected one")
        return {"features": read_entry(path, next(iter(entries.values())))}
    return _read_numpy(path)


def _read_numpy(path: Path) -> dict[str, Any]:
    try:
        with open_regular(path) as stream:
            is_archive = stream.read(2) == b"PK"
        return read_npz(path) if is_archive else {"features": read_npy(path)}
    except (OSError, ValueError) as error:
        reason = (str(error) or type(error).__name__).split("\n")[0]
        raise DataError(f"{path} is not a NumPy file of plain numbers, or damaged: {reason}") from None


def _read_torch(path: Path) -> dict[str, Any]:
    # Imported here, since torch is slow to import and most files are of other kinds.
    import torch

    from vocoders.core.torch_files import load_tensors

    try:
        check_regular(path, "numbers")
        loaded = load_tensors(path)
    except Exception as error:  # a damaged pickle raises errors of any type
        reason = str(error).split("\n")[0][:200]
        if isinstance(error, pickle.UnpicklingError):  # torch advises to load it unsafely
            reason = "it contains objects besides tensors, and reading them would execute code"
        raise DataError(f"{path} is not a PyTorch file of plain tensors, or damaged: {reason}") from None
    named = loaded if isinstance(loaded, Mapping) else {"features": loaded}
    tensors = {str(name): value for name, value in named.items() if isinstance(value, torch.Tensor | str)}
    if not tensors:
        raise DataError(f"{path} contains {type(loaded).__name__}; expected a tensor, or tensors by name")
    return {
        name: value if isinstance(value, str) else (value.float() if value.is_floating_point() else value).numpy()
        for name, value in tensors.items()
    }


def _find(arrays: Mapping[str, Any], names: tuple[str, ...]) -> np.ndarray | None:
    return next((np.asarray(arrays[name]) for name in names if name in arrays), None)


def _find_numbers(arrays: Mapping[str, Any], names: tuple[str, ...], source: str) -> np.ndarray | None:
    found = _find(arrays, names)
    if found is not None and found.dtype.kind not in "fiub":
        name = next(name for name in names if name in arrays)
        raise DataError(f"{source} contains {name} of {found.dtype}; expected a number for each frame")
    return found


def _find_features(arrays: Mapping[str, Any], source: str) -> np.ndarray:
    named = _find(arrays, _FEATURES)
    if named is not None:
        return named
    matrices = [value for value in arrays.values() if isinstance(value, np.ndarray) and value.ndim in (2, 3)]
    if len(matrices) == 1:
        return matrices[0]
    raise DataError(f"{source} contains {', '.join(arrays) or 'nothing'}; expected an array named 'features'")


def _without_items(features: np.ndarray) -> np.ndarray:
    while features.ndim > 2 and len(features) == 1:
        features = features[0]
    return features
