"""Utterances as mono float32 samples at the model's sample rate, from disk or from an int16 copy in memory."""

import logging
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from recipes.data.kaldi import Utterance
from recipes.progress import track
from vocoders.core.errors import DataError
from vocoders.core.resampling import resampled_length

__all__ = ["AudioReader", "Span", "check_format", "peak_gain", "read_utterance", "utterance_span"]

logger = logging.getLogger(__name__)

# Samples, of the lower rate, from which on the filter of soxr has no influence in single precision; generous.
_FILTER_REACH = 800


@dataclass(frozen=True, slots=True)
class Span:
    """Position of an utterance in its file: first sample and number of samples, at the file's sample rate.

    If the file is not seekable, a part of it is read by decoding everything before it.
    """

    sample_rate: int
    channels: int
    start: int
    length: int
    format: str = ""
    is_seekable: bool = True


def utterance_span(utterance: Utterance) -> Span:
    """Read the header of the utterance's file.

    Raises:
        DataError: if the file cannot be opened or ends before the utterance does.
    """
    from vocoders.core.audio import audio_info

    info = audio_info(utterance.path)
    if not utterance.recording:
        return Span(info.sample_rate, info.channels, 0, info.frames, info.format, info.is_seekable)
    start = round(utterance.start * info.sample_rate)
    stop = round((utterance.start + utterance.duration) * info.sample_rate)
    # Times are written with six decimals and often rounded by hand: one centisecond of slack at the end.
    if stop > info.frames + info.sample_rate // 100 or start >= info.frames:
        raise DataError(
            f"{utterance.path}: '{utterance.utt_id}' ends at {stop / info.sample_rate:.3f} s, the file at "
            f"{info.duration:.3f} s; correct segments"
        )
    length = min(stop, info.frames) - start
    return Span(info.sample_rate, info.channels, start, length, info.format, info.is_seekable)


def read_utterance(
    utterance: Utterance, sample_rate: int, resample: bool = False, span: Span | None = None
) -> np.ndarray:
    """Read a whole utterance as (T,) float32 in [-1, 1].

    Args:
        utterance: the utterance.
        sample_rate: expected rate in Hz.
        resample: convert another rate and average channels; otherwise both are errors.
        span: result of :func:`utterance_span`, if known.

    Raises:
        DataError: for an unreadable file, or another format without ``resample``.
    """
    from vocoders.core.audio import read_audio
    from vocoders.core.audio import resample as convert

    span = span or utterance_span(utterance)
    check_format(utterance, span, sample_rate, resample)
    audio, _ = read_audio(utterance.path, mono=True, start=span.start, frames=span.length)
    return convert(audio, span.sample_rate, sample_rate)[0].numpy()


def check_format(utterance: Utterance, span: Span, sample_rate: int, resample: bool) -> None:
    """Raise :class:`DataError` if the file's format differs and ``resample`` is false."""
    if resample or (span.sample_rate == sample_rate and span.channels == 1):
        return
    found = f"{span.sample_rate} Hz with {span.channels} channel{'s' if span.channels > 1 else ''}"
    raise DataError(f"{utterance.path}: {found}; expected {sample_rate} Hz mono; set data.resample: true (--resample)")


def peak_gain(samples: np.ndarray, peak: float) -> np.float32:
    """Return the factor that scales ``samples`` to the given peak (1 for silence)."""
    highest = np.abs(samples).max(initial=0.0)
    return np.float32(peak / highest if highest > 0 else 1.0)


class AudioReader:
    """Random access to the samples of many utterances.

    Args:
        utterances: the utterances, read by index.
        sample_rate: expected rate in Hz.
        resample: convert other rates and average channels.
        peak: scale each utterance to this peak.
        in_memory: read everything now and keep it as int16 (exact for 16-bit files): small corpora then need no
            disk access, and forked loader processes share the copy.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        sample_rate: int,
        resample: bool = False,
        peak: float | None = None,
        in_memory: bool = False,
    ) -> None:
        self.utterances = utterances
        self.sample_rate, self.resample, self.peak = sample_rate, resample, peak
        self._spans: dict[int, Span] = {}
        self._gains: dict[int, np.float32] = {}
        self._warned = False
        self._last: tuple[int, np.ndarray] | None = None
        self._samples: np.ndarray | None = None
        self._offsets: np.ndarray | None = None
        if in_memory:
            self._load()
        elif utterances:
            self._span(0)

    def num_samples(self, index: int) -> int:
        """Return the length of an utterance in samples at the model's rate."""
        if self._offsets is not None:
            return int(self._offsets[index + 1] - self._offsets[index])
        span = self._span(index)
        return resampled_length(span.length, span.sample_rate, self.sample_rate)

    def read(self, index: int, start: int = 0, length: int | None = None) -> np.ndarray:
        """Return ``length`` samples from ``start`` (fewer at the end), (n,) float32.

        Raises:
            DataError: if the file cannot be read or has another format.
        """
        if self._samples is not None and self._offsets is not None:
            first, last = int(self._offsets[index]) + start, int(self._offsets[index + 1])
            last = last if length is None else min(last, first + length)
            samples = self._samples[first:last].astype(np.float32) / np.float32(32768)
            return samples if self.peak is None else samples * self._gain(index)
        span = self._span(index)
        if length is None or not span.is_seekable:
            samples = self._whole(index)[start : None if length is None else start + length]
        else:
            samples = self._part(index, span, start, length)
        return samples if self.peak is None else samples * self._gain(index)

    def read_whole_part(self, index: int, start: int, length: int) -> np.ndarray:
        """Return samples like :meth:`read`; fewer than the header of the file promises are an error.

        Raises:
            DataError: also for a file that is truncated, or has changed since its header was read.
        """
        samples = self.read(index, start, length)
        expected = min(length, self.num_samples(index) - start)
        if len(samples) != expected:
            raise DataError(
                f"{self.utterances[index].path}: gave {len(samples)} samples, expected {expected}; the file is "
                "truncated or has changed, prepare the corpus again"
            )
        return samples

    def _part(self, index: int, span: Span, start: int, length: int) -> np.ndarray:
        """Return a part of an utterance; of another sample rate, only this part and what the filter reaches is read."""
        from vocoders.core.audio import resample

        rate = span.sample_rate
        length = min(length, self.num_samples(index) - start)
        if rate == self.sample_rate:
            return self._decode(index, start, length)[0].numpy()
        # Blocks in which both rates have whole numbers of samples: the filter has the same phases as in one piece.
        common = math.gcd(rate, self.sample_rate)
        before, after = rate // common, self.sample_rate // common
        margin = math.ceil(_FILTER_REACH * rate / min(rate, self.sample_rate) / before)
        first = max(start // after - margin, 0)
        last = min(math.ceil((start + length) / after) + margin, math.ceil(span.length / before))
        frames = min(last * before, span.length) - first * before
        audio = self._decode(index, first * before, frames)
        offset = start - first * after
        return resample(audio, rate, self.sample_rate)[0].numpy()[offset : offset + length]

    def _whole(self, index: int) -> np.ndarray:
        from vocoders.core.audio import resample

        if self._last is None or self._last[0] != index:
            span = self._span(index)
            audio = resample(self._decode(index, 0, span.length), span.sample_rate, self.sample_rate)
            self._last = index, audio[0].numpy()
        return self._last[1]

    def _decode(self, index: int, start: int, frames: int) -> Tensor:
        """Return samples of an utterance at the rate of its file, (1, n), from ``start`` on, channels averaged."""
        from vocoders.core.audio import read_audio

        path, span = self.utterances[index].path, self._span(index)
        return read_audio(path, mono=True, start=span.start + start, frames=frames)[0]

    def _span(self, index: int) -> Span:
        if index not in self._spans:
            span = utterance_span(self.utterances[index])
            check_format(self.utterances[index], span, self.sample_rate, self.resample)
            if not span.is_seekable and not self._warned:
                self._warned = True
                logger.warning(
                    "%s: %s is decoded as a whole for each segment; data.in_memory: true is faster",
                    self.utterances[index].path, span.format,
                )  # fmt: skip
            self._spans[index] = span
        return self._spans[index]

    def _gain(self, index: int) -> np.float32:
        assert self.peak is not None
        if index not in self._gains:
            if self._samples is not None and self._offsets is not None:
                whole = self._samples[self._offsets[index] : self._offsets[index + 1]].astype(np.float32) / 32768
            else:
                whole = self._whole(index)
            self._gains[index] = peak_gain(whole, self.peak)
        return self._gains[index]

    def _load(self) -> None:
        def quantised(utterance: Utterance) -> np.ndarray:
            samples = read_utterance(utterance, self.sample_rate, self.resample)
            return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)

        # soundfile and soxr release the interpreter lock, so threads are enough.
        with ThreadPoolExecutor(4) as pool:
            pieces = list(track(pool.map(quantised, self.utterances), "reading audio", len(self.utterances)))
        self._offsets = np.cumsum([0, *(len(piece) for piece in pieces)])
        self._samples = np.concatenate(pieces)
        logger.info("%d utterances in memory, %.0f MB", len(pieces), self._samples.nbytes / 1e6)
