"""What every export holds besides its graphs: metadata, a test vector, and the proof that graph and model agree."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.json_files import read_json

__all__ = [
    "METADATA_FILE",
    "TEST_VECTOR_FILE",
    "check_agreement",
    "check_replaceable",
    "relative_error",
    "write_metadata",
    "write_test_vector",
]

METADATA_FILE = "metadata.json"
TEST_VECTOR_FILE = "test_vector.npz"
# Foreign files that a message names.
_LISTED = 5


def relative_error(output: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference as a fraction of the peak of ``expected``; infinite for another shape or NaN."""
    if output.shape != expected.shape or not np.isfinite(output).all():
        return float("inf")
    difference = np.abs(output.astype(np.float64) - expected).max(initial=0.0)
    return float(difference / max(np.abs(expected).max(initial=0.0), 1e-9))


def check_agreement(errors: Mapping[str, float], tolerance: float) -> float:
    """Return the largest error.

    Args:
        errors: relative errors, by the way of computing.
        tolerance: largest that is allowed.

    Raises:
        CheckpointError: if one is larger.
    """
    how = max(errors, key=lambda name: errors[name])
    if not errors[how] <= tolerance:
        raise CheckpointError(
            f"the export ({how}) differs from the model by {errors[how]:.1e} of the peak; expected at most "
            f"{tolerance:.0e}; nothing was written"
        )
    return errors[how]


def write_metadata(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write ``metadata.json``."""
    (folder / METADATA_FILE).write_text(json.dumps(metadata, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_test_vector(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``test_vector.npz``."""
    with open(folder / TEST_VECTOR_FILE, "wb") as stream:
        np.savez(stream, **arrays)  # pyright: ignore[reportArgumentType]  (the stub knows no mapping of arrays)


def check_replaceable(folder: Path, force: bool, known: Iterable[str] = ()) -> None:
    """Refuse to replace a folder without ``force``, or one with more than an export in it.

    Args:
        folder: the folder; its metadata name the files of an export.
        force: whether an export may be replaced.
        known: names of files that also belong to exports.

    Raises:
        ConfigError: with the names of the files.
    """
    if not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir())
    if names and not force:
        raise ConfigError(f"{folder} exists already; pass --force to replace it, or choose another output")
    own = {METADATA_FILE, TEST_VECTOR_FILE, *known}
    if METADATA_FILE in names:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            own |= set(read_json(folder / METADATA_FILE)["files"])
    if foreign := [name for name in names if name not in own]:
        listed = ", ".join(foreign[:_LISTED])
        raise ConfigError(f"{folder} holds more than an export ({listed}) and is not replaced")
