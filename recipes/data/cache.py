"""F0 contours on disk: one ``.npy`` file per utterance in ``f0/``, all from one front end.

The file ``f0/FINGERPRINT`` names that front end. A cache of another front end is an error: front ends are never mixed.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recipes.data.text_files import write_texts
from vocoders.core.atomic import atomic_file, writing
from vocoders.core.errors import DataError
from vocoders.core.locking import locked
from vocoders.core.numpy_files import read_npy
from vocoders.frontends.f0 import F0Config

__all__ = ["F0Cache", "f0_fingerprint"]

_MARKER = "FINGERPRINT"


def f0_fingerprint(config: F0Config, sample_rate: int, hop_length: int) -> str:
    """Return the line that identifies cached F0: tracker, rate and frame distance."""
    return f"{config.fingerprint} at {sample_rate} Hz hop={hop_length}"


class F0Cache:
    """Cached F0 of one front end.

    Args:
        feature_dir: folder of the cache; contours are in its folder ``f0``.
        fingerprint: front end, from :func:`f0_fingerprint`.
        create: start the cache if there is none.
        replace: delete a cache of another front end instead of refusing it.

    Raises:
        DataError: if there is no cache (without ``create``) or it belongs to another front end; both lines are printed.
    """

    def __init__(self, feature_dir: str | Path, fingerprint: str, create: bool = False, replace: bool = False) -> None:
        self.folder = Path(feature_dir) / "f0"
        self.fingerprint = fingerprint
        if self._is_ours(replace):
            return
        if not (create or replace):
            raise DataError(f"{self.folder}: no F0 cache; run 'ondes features' first")
        with writing(self.folder):
            Path(feature_dir).mkdir(parents=True, exist_ok=True)
        # Processes that share the work begin at the same time; the first one starts the cache.
        with locked(Path(feature_dir) / ".f0.lock", for_writing=True):
            if not self._is_ours(replace):
                self._start()

    def _is_ours(self, replace: bool) -> bool:
        """Return whether there is a cache of this front end; refuse another one unless it is to be replaced."""
        marker = self.folder / _MARKER
        try:
            found = marker.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return False
        if found and found != self.fingerprint and not replace:
            raise DataError(
                f"{self.folder} was made with [{found}]; expected [{self.fingerprint}]; run 'ondes features --force' "
                "or choose another folder"
            )
        return found == self.fingerprint

    def _start(self) -> None:
        # The marker is removed first and written last: a cache without it is unfinished and counts as empty.
        try:
            (self.folder / _MARKER).unlink(missing_ok=True)
            if self.folder.exists():
                shutil.rmtree(self.folder)
        except OSError as error:
            raise DataError(f"{self.folder}: cannot be cleared: {error.strerror or error}; remove it by hand") from None
        write_texts(self.folder, {_MARKER: self.fingerprint + "\n"})

    def path(self, utt_id: str) -> Path:
        """Return the file of an utterance."""
        return self.folder / f"{utt_id}.npy"

    def get(self, utt_id: str, mmap: bool = False) -> np.ndarray:
        """Return the F0 of an utterance, (F,) float32 in Hz, 0 = unvoiced.

        Raises:
            DataError: if it is missing or damaged.
        """
        try:
            f0 = read_npy(self.path(utt_id), mmap)
        except FileNotFoundError:
            raise DataError(f"{self.path(utt_id)}: no F0 for '{utt_id}'; run 'ondes features' on its data") from None
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"{self.path(utt_id)}: damaged ({error}); remove it and run 'ondes features' again"
            ) from None
        if f0.ndim != 1 or f0.dtype != np.float32:
            raise DataError(f"{self.path(utt_id)}: {f0.dtype} of shape {f0.shape}; expected float32 (frames,)")
        return f0

    def put(self, utt_id: str, f0: np.ndarray) -> None:
        """Store the F0 of an utterance atomically."""
        with atomic_file(self.path(utt_id), durable=True) as temporary, temporary.open("wb") as file:
            np.save(file, f0.astype(np.float32), allow_pickle=False)

    def missing(self, utt_ids: Iterable[str]) -> list[str]:
        """Return the ids that are not in the cache, in order."""
        present = {path.stem for path in self.folder.glob("*.npy")}
        return [utt_id for utt_id in utt_ids if utt_id not in present]
