"""Predicted features for fine-tuning: ``feats.scp`` in a data directory names the file of each utterance."""

import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from recipes.data.id_lists import read_file_list
from recipes.data.kaldi import Utterance
from vocoders.core.errors import DataError
from vocoders.core.kaldi_files import read_entry
from vocoders.core.numpy_files import read_npy
from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.plausibility import check_plausible, check_possible

__all__ = ["LARGEST_DIFFERENCE", "PredictedFeatures", "check_length"]

logger = logging.getLogger(__name__)

_ARCHIVE_PLACE = re.compile(r".+\.ark:[0-9]{1,18}")
LARGEST_DIFFERENCE = 1
"""Frames by which predicted features and audio may differ: centred frames give one more."""


def check_length(utt_id: str, predicted: int, expected: int) -> None:
    """Raise a :class:`DataError` if predicted features have not the length of the audio, in frames."""
    if abs(predicted - expected) > LARGEST_DIFFERENCE:
        raise DataError(
            f"'{utt_id}': {predicted} frames of predicted features for {expected} frames of audio; expected at most "
            f"{LARGEST_DIFFERENCE} more or less: align them with the recording (durations, teacher forcing, hop)"
        )


class PredictedFeatures:
    """Features (n_mels, F) that an acoustic model predicted, aligned with the recordings.

    Args:
        data_dir: Kaldi data directory with ``feats.scp``: each line has an utterance id and the path of a ``.npy``
            file (n_mels, F), or Kaldi's place in an archive of (F, n_mels).
        mel: what the features are.
        embedding: they are no mels, although they have the shape of ``mel``: any numbers are good.

    Raises:
        DataError: if ``feats.scp`` is missing or malformed.
    """

    def __init__(self, data_dir: str | Path, mel: MelConfig, *, embedding: bool = False) -> None:
        self.path = Path(data_dir) / "feats.scp"
        self._mel, self._embedding = mel, embedding
        self._checked: set[str] = set()
        self._paths = read_file_list(self.path, "list of predicted features; data.features: predicted needs it")
        for utt_id, path in self._paths.items():
            if path.suffix != ".npy" and not _ARCHIVE_PLACE.fullmatch(str(path)):
                found = f"{self.path}: '{utt_id} {path}'"
                raise DataError(f"{found}; expected an id and a .npy file, or a place in a Kaldi archive (x.ark:BYTE)")

    def get(self, utt_id: str, mmap: bool = False) -> np.ndarray:
        """Return the features of an utterance, (n_mels, F).

        Raises:
            DataError: if there are none or the file is damaged.
        """
        if utt_id not in self._paths:
            raise DataError(f"{self.path}: no features for '{utt_id}'; predict them or leave the utterance out")
        path = self._paths[utt_id]
        if path.suffix != ".npy":
            archive, _, offset = str(path).rpartition(":")
            features = read_entry(archive, int(offset))
            if features.ndim != 2:
                raise DataError(f"{path}: {features.ndim} axes; expected a matrix (frames, bands)")
            return np.ascontiguousarray(features.T, dtype=np.float32)
        try:
            features = read_npy(path, mmap)
        except (OSError, ValueError, EOFError) as error:
            cause = getattr(error, "strerror", None) or error
            raise DataError(f"{path}: not a readable .npy file ({cause}); predict it again") from None
        # Texts would be parsed, and complex numbers would lose their imaginary parts without a word.
        if features.dtype.kind not in "fiu":
            raise DataError(f"{path}: features of the type {features.dtype}; expected real numbers")
        return features

    def get_mel(self, utt_id: str) -> np.ndarray:
        """Return the features of an utterance, (n_mels, F), mapped into memory.

        Raises:
            DataError: as :meth:`get`, for another shape, and for values that cannot be those of a mel.
        """
        features, n_mels = self.get(utt_id, mmap=True), self._mel.n_mels
        if features.ndim != 2 or features.shape[0] != n_mels:
            transposed = features.ndim == 2 and features.shape[1] == n_mels
            raise DataError(
                f"{self.path_of(utt_id)}: '{utt_id}' has predicted features of shape {features.shape}; expected "
                f"({n_mels}, frames){'; they are transposed' if transposed else ''}"
            )
        if utt_id not in self._checked:
            self._check_values(features, f"'{utt_id}' ({self.path_of(utt_id)})")
            self._checked.add(utt_id)
        return features

    def _check_values(self, features: np.ndarray, source: str) -> None:
        with np.errstate(over="ignore"):  # what single precision cannot hold becomes infinite
            values = np.array(features, dtype=np.float32)
        bad = ~np.isfinite(values).all(axis=0)
        if bad.any():
            raise DataError(f"{source}: NaN or infinite features in frame {int(bad.argmax())}; predict them again")
        if not self._embedding and values.size:
            check_possible(torch.from_numpy(values), self._mel, source)

    def check_all(self, utterances: Iterable[Utterance]) -> None:
        """Raise a :class:`DataError` if features have not the length of their utterance, or cannot be mels.

        Those that can, but hardly are, such as z-scores or decimal logarithms, are told in a warning.
        """
        mel, names = self._mel, list[str]()
        for utterance in utterances:
            frames = int(utterance.duration * mel.sample_rate + 0.5) // mel.hop_length
            if utterance.duration:
                check_length(utterance.utt_id, self.get_mel(utterance.utt_id).shape[-1], frames)
                names.append(utterance.utt_id)
        self.warn_of_doubtful(names)

    def warn_of_doubtful(self, utt_ids: Sequence[str]) -> None:
        """Warn, in one line, of features that are hardly log-mels of recordings.

        What is wrong with shapes and lengths is an error where the features are read, and no doubt.
        """
        doubts = {utt_id: doubt for utt_id in utt_ids if (doubt := self._doubt(utt_id))}
        if doubts:
            logger.warning(
                "%s; %d of %d looked at are such; the features should be log-mels of the recordings: %s",
                next(iter(doubts.values())),
                len(doubts),
                len(utt_ids),
                self._mel.fingerprint,
            )

    def _doubt(self, utt_id: str) -> str:
        if self._embedding:
            return ""
        try:
            check_plausible(self.get(utt_id), MelConvention(mel=self._mel), str(self.path_of(utt_id)))
        except DataError as error:
            return str(error)
        return ""

    def path_of(self, utt_id: str) -> Path:
        """Return the file of an utterance."""
        return self._paths[utt_id]

    def missing(self, utt_ids: Iterable[str]) -> list[str]:
        """Return the ids that ``feats.scp`` lacks, in order."""
        return [utt_id for utt_id in utt_ids if utt_id not in self._paths]
