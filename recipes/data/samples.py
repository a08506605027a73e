"""The samples of one utterance of any length: short ones in memory, long ones read from their file part by part."""

from functools import cached_property

import numpy as np

from recipes.data.kaldi import Utterance
from recipes.data.reading import AudioReader, peak_gain, read_utterance, utterance_span

__all__ = ["UtteranceSamples"]

# Shorter utterances are read whole.
_LONG_SECONDS = 600.0
# Samples that are looked at at once for the peak.
_BLOCK = 1 << 22


class UtteranceSamples:
    """Mono float32 samples of an utterance; equal parts are equal, however they are read.

    A long utterance of a format without seeking (such as MP3) is held in memory too.

    Args:
        utterance: the utterance.
        sample_rate: expected rate in Hz.
        resample: convert another rate and average channels; otherwise both are errors.

    Raises:
        DataError: for an unreadable file, or another format without ``resample``.
    """

    def __init__(self, utterance: Utterance, sample_rate: int, resample: bool = False) -> None:
        span = utterance_span(utterance)
        self._whole: np.ndarray | None = None
        if span.length <= _LONG_SECONDS * span.sample_rate or not span.is_seekable:
            self._whole = read_utterance(utterance, sample_rate, resample, span)
            self.length = len(self._whole)
        else:
            self._reader = AudioReader([utterance], sample_rate, resample)
            self.length = self._reader.num_samples(0)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the samples from ``start`` to before ``stop``, (n,); fewer at the end.

        Raises:
            DataError: if the file cannot be read, or is shorter than its header promises.
        """
        if self._whole is not None:
            return self._whole[start:stop]
        return self._reader.read_whole_part(0, start, stop - start)

    @property
    def peak(self) -> float:
        """The highest absolute value."""
        return self._peak

    @cached_property
    def _peak(self) -> float:
        blocks = (self.read(start, start + _BLOCK) for start in range(0, self.length, _BLOCK))
        return max((max(float(block.max()), -float(block.min())) for block in blocks), default=0.0)

    def gain(self, peak: float | None) -> np.float32:
        """Return the factor that scales the utterance to a peak; 1 for ``None``."""
        return np.float32(1) if peak is None else peak_gain(np.asarray(self.peak, np.float32), peak)
