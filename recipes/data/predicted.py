"""Predicted features for fine-tuning: ``feats.scp`` in a data directory names a ``.npy`` file for each utterance."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vocoders.core.errors import DataError

__all__ = ["PredictedFeatures"]


class PredictedFeatures:
    """Features (n_mels, F) that an acoustic model predicted, aligned with the recordings.

    Args:
        data_dir: Kaldi data directory with ``feats.scp``: utterance id and path of a ``.npy`` file in each line.

    Raises:
        DataError: if ``feats.scp`` is missing or malformed.
    """

    def __init__(self, data_dir: str | Path) -> None:
        self.path = Path(data_dir) / "feats.scp"
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self.path}: cannot be read ({error}); data.features: predicted needs it") from None
        lines = [line.split(maxsplit=1) for line in text.split("\n") if line.strip()]
        for fields in lines:
            if len(fields) != 2 or not fields[1].strip().endswith(".npy"):
                raise DataError(f"{self.path}: '{' '.join(fields)}'; expected an id and the path of a .npy file")
        self._paths = {utt_id: Path(path.strip()) for utt_id, path in lines}

    def get(self, utt_id: str, mmap: bool = False) -> np.ndarray:
        """Return the features of an utterance, (n_mels, F).

        Raises:
            DataError: if there are none or the file is damaged.
        """
        if utt_id not in self._paths:
            raise DataError(f"{self.path}: no features for '{utt_id}'; predict them or leave the utterance out")
        try:
            return np.load(self._paths[utt_id], mmap_mode="r" if mmap else None, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{self._paths[utt_id]}: not a readable .npy file ({error}); predict it again") from None

    def missing(self, utt_ids: Iterable[str]) -> list[str]:
        """Return the ids that ``feats.scp`` lacks, in order."""
        return [utt_id for utt_id in utt_ids if utt_id not in self._paths]
