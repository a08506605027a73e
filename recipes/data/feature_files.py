"""Features of an utterance in a file: ``.npy`` (bands, frames), or an entry of a Kaldi archive (frames, bands)."""

import re
from pathlib import Path

import numpy as np

from vocoders.core.errors import DataError, MissingExtraError

__all__ = ["is_feature_file", "read_features"]

# Kaldi's place in an archive: file, colon, byte.
_ARCHIVE_ENTRY = re.compile(r".+\.ark:[0-9]+")


def is_feature_file(path: Path) -> bool:
    """Return whether a path in ``feats.scp`` is of a kind that :func:`read_features` reads."""
    return path.suffix == ".npy" or _ARCHIVE_ENTRY.fullmatch(str(path)) is not None


def read_features(path: Path, mmap: bool = False) -> np.ndarray:
    """Return features (bands, frames).

    Args:
        path: ``x.npy``, or ``x.ark:BYTE`` for the matrix at a byte of an archive, compressed or not.
        mmap: map a ``.npy`` file instead of reading it.

    Raises:
        DataError: if the file is damaged.
        MissingExtraError: for an archive without kaldiio.
    """
    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
        return _read_archive(str(path))
    except (OSError, ValueError, EOFError, AssertionError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: not a readable .npy file or archive ({reason}); predict it again") from None


def _read_archive(entry: str) -> np.ndarray:
    try:
        import kaldiio
    except ImportError:
        raise MissingExtraError("kaldiio", "train", "Kaldi archives") from None
    matrix = kaldiio.load_mat(entry)
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
        raise ValueError("no matrix there")
    return np.ascontiguousarray(matrix.T, dtype=np.float32)
