"""Read audio files: header, whole file, part, or block by block, with the same errors and the same samples."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from vocoders.core import ffmpeg
from vocoders.core.audio_headers import AudioData, PatchedFile, find_audio_data
from vocoders.core.checks import check_finite
from vocoders.core.errors import DataError, OndesError, UnreadableAudioError
from vocoders.core.limits import limit, limit_error
from vocoders.core.resampling import resample
from vocoders.core.text import looks_like_text

__all__ = ["AudioInfo", "audio_info", "is_whole", "describe_sndfile_error", "read_audio", "read_blocks", "sndfile_name"]

_logger = logging.getLogger(__name__)

# Samples of all channels that are read at once, so that a damaged header with a wrong length does not exhaust memory.
_BLOCK = 1 << 16
# Two MPEG frames: the length in the header may be wrong by the encoder's padding.
_MPEG_SLACK = 2 * 1152
# libsndfile's value for a stream without a length.
_UNKNOWN_LENGTH = 1 << 62
# Decoders that depend on earlier frames (MP3) or lose their position (Vorbis of some encoders): after a seek their
# samples are wrong, by up to full scale.
_DEPENDENT = ("MPEG", "OPUS", "VORBIS", "DWVW")
# What libsndfile tells of Ogg streams without their last page.
_NO_END = ("ended unexpectedly", "lacks an end-of-stream bit")
# In Hz.
_LEAST_RATE = 100
# Files whose damage has been reported in this process.
_told: set[tuple[str, int]] = set()


@dataclass(frozen=True)
class AudioInfo:
    """The content of an audio file's header.

    Attributes:
        sample_rate: in Hz.
        channels: number of channels.
        frames: samples of one channel.
        format: container, as libsndfile names it, or the suffix of a file that ffmpeg decodes.
        subtype: sample format.
        is_seekable: whether a part can be read without decoding the samples before it.
        damage: fault of a file that can be read nevertheless, such as ``truncated (10 of 20 bytes)``.
    """

    sample_rate: int
    channels: int
    frames: int
    format: str
    subtype: str
    is_seekable: bool = True
    damage: str = ""

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


class _Stream(soundfile.SoundFile):
    """A file read from front to back: soundfile seeks after each read where it can, and some codecs fail then."""

    def seekable(self) -> bool:
        """Return False for every codec."""
        return False


@dataclass(frozen=True)
class _Opened:
    """An open file, and the remarks to report about it."""

    path: Path
    stream: _Stream
    info: AudioInfo
    remark: str

    @property
    def block(self) -> int:
        """Samples of one channel that are read at once."""
        return max(1, _BLOCK // self.info.channels)

    def part(self, start: int, count: int) -> Iterator[Tensor]:
        """Yield ``count`` samples from ``start`` on; where a seek would change them, decode from the beginning."""
        if self.info.is_seekable:
            self.stream.seek(start)
            yield from self.blocks(count, self.block)
            return
        known = 0
        for block in self.blocks(start + count, self.block):
            if known + block.shape[-1] > start:
                yield block[:, max(0, start - known) :]
            known += block.shape[-1]

    def blocks(self, count: int, size: int) -> Iterator[Tensor]:
        """Yield the next ``count`` samples (C, T); an early end is an error."""
        known = 0
        while known < count:
            samples = self.stream.read(min(size, count - known), dtype="float32", always_2d=True)
            if not len(samples):
                break
            audio = torch.from_numpy(np.ascontiguousarray(samples.T))
            _check_finite(audio, self.info.sample_rate, self.path, known)
            known += len(samples)
            yield audio
        slack = _MPEG_SLACK if self.info.subtype.startswith("MPEG") else 0
        if known < count - slack:
            found, promised = known / self.info.sample_rate, count / self.info.sample_rate
            told = f"{found:.3f} s could be read of the {promised:.3f} s that its header promises"
            raise UnreadableAudioError(
                f"{self.path} is truncated: {told}; copy or convert it again",
                f"truncated ({known} of {count} samples)",
            )

    def tell_damage(self) -> None:
        """Warn of the fault of the file, once."""
        text = self.remark or (f"is {self.info.damage}; what is there is read" if self.info.damage else "")
        if not text:
            return
        key = (str(self.path.absolute()), self.path.stat().st_mtime_ns)
        if key not in _told:
            _told.add(key)
            _logger.warning("%s %s", self.path, text)


def audio_info(path: str | Path, most_seconds: float | None = None) -> AudioInfo:
    """Read the header of an audio file; where it has no length, decode the file to measure it.

    Args:
        path: the file.
        most_seconds: decode no more than this to measure the length.

    Raises:
        UnreadableAudioError: if the file is missing, empty, not audio, damaged, or contains no samples.
    """
    with _open(path, most_seconds) as opened:
        info = opened.info
        if not info.subtype.startswith("MPEG"):
            return info
        # The header of an MPEG stream only estimates the length, unless the encoder wrote a tag with it.
        frames = _count(opened.stream, most_seconds)
        return replace(info, frames=frames) if abs(frames - info.frames) <= _MPEG_SLACK else info


def is_whole(path: str | Path) -> bool:
    """Return whether an audio file has all the samples that its header promises.

    Raises:
        UnreadableAudioError: as :func:`audio_info`, and if the last sample of a FLAC file cannot be reached.
    """
    with _open(path) as opened:
        info = opened.info
        if info.damage or info.frames >= _UNKNOWN_LENGTH:
            return False
        if info.subtype.startswith("MPEG"):
            return _count(opened.stream, None) >= info.frames - _MPEG_SLACK
        if not info.is_seekable:
            return True
        opened.stream.seek(info.frames - 1)
        return len(opened.stream.read(1)) == 1


def read_audio(
    path: str | Path, sample_rate: int | None = None, mono: bool = False, start: int = 0, frames: int = -1
) -> tuple[Tensor, int]:
    """Read an audio file, or a part of it.

    A file that is shorter than its header states, or whose header has no length, is read to its end, with a warning.

    Args:
        path: a wav, flac, ogg, mp3 ... file.
        sample_rate: resample to this rate in Hz; ``None`` keeps the file's.
        mono: average the channels into one.
        start: first sample of the part, counted at the file's own rate.
        frames: number of samples of the part at the file's own rate, -1 for all that follow; fewer are returned
            where the file ends earlier.

    Returns:
        Audio (C, T), float32, nominally in [-1, 1] (a float file may go beyond, and is not clipped), and its sample
        rate in Hz. A part is equal to the same part of the whole.

    Raises:
        UnreadableAudioError: if the file is missing, empty, not audio, damaged or truncated, if it contains NaN or
            infinite samples, or if the part lies outside it.
    """
    with _open(path) as opened:
        opened.tell_damage()
        held, rate = opened.info.frames, opened.info.sample_rate
        expected = held - start if frames < 0 else min(frames, held - start)
        if not 0 <= start < held or frames == 0 or frames < -1:
            raise _no_samples(path, start, frames, held)
        _check_samples(path, expected * opened.info.channels)
        blocks = list(opened.part(start, expected))
        if not blocks:
            raise _no_samples(path, start, frames, held)
    audio = torch.cat(blocks, dim=-1)
    if mono:
        audio = audio.mean(dim=0, keepdim=True)
    if sample_rate is not None:
        audio = resample(audio, rate, sample_rate)
    return audio, sample_rate or rate


def read_blocks(path: str | Path, size: int) -> Iterator[Tensor]:
    """Read an audio file block by block, in constant memory.

    Args:
        path: a wav, flac, ogg, mp3 ... file.
        size: samples of a block; the last one may be shorter.

    Yields:
        Audio (C, T), float32, at the file's rate; together the same samples as from :func:`read_audio`.

    Raises:
        UnreadableAudioError: as :func:`read_audio`, when the reader reaches the fault.
    """
    with _open(path) as opened:
        opened.tell_damage()
        # With a known length the buffer is no larger than the file.
        yield from opened.blocks(opened.info.frames, min(size, opened.info.frames))


def _check_samples(path: str | Path, samples: int) -> None:
    """Refuse to read more than the memory is meant for."""
    if 4 * samples > limit("samples"):
        told = f"audio of {limit_error('samples', 4 * samples)}"
        raise UnreadableAudioError(f"{path} contains {told}", told)


def _check_header(path: Path, stream: soundfile.SoundFile) -> None:
    """Refuse headers that no recording has: each sample of a 1 Hz file would become thousands on resampling."""
    if stream.samplerate < _LEAST_RATE:
        told = f"a sample rate of {stream.samplerate} Hz; expected at least {_LEAST_RATE}"
    elif stream.samplerate > limit("rate"):
        told = f"a sample rate of {limit_error('rate', stream.samplerate)}"
    elif stream.channels > limit("channels"):
        told = f"a number of channels of {limit_error('channels', stream.channels)}"
    else:
        return
    raise UnreadableAudioError(f"{path} states {told}", f"damaged ({told})")


def _check_finite(audio: Tensor, sample_rate: int, path: str | Path, start: int = 0) -> None:
    try:
        check_finite(audio, "CT", str(path), start=start, sample_rate=sample_rate)
    except DataError as error:
        raise UnreadableAudioError(str(error), "contains NaN or infinite samples") from None


def describe_sndfile_error(error: BaseException) -> str:
    """Return the message of libsndfile or soundfile about a failure, without its prefix."""
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return text.removeprefix("Error : ").rstrip(".") or type(error).__name__


def sndfile_name(path: Path) -> Any:
    """Return a name as soundfile takes it: text, or bytes where it is none, of which its types know nothing."""
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return name


@contextmanager
def _open(path: str | Path, most_seconds: float | None = None) -> Iterator[_Opened]:
    """Open for reading; any failure, also later while reading, becomes an error with a readable cause."""
    path = Path(path)
    head = _read_head(path)
    try:
        with ExitStack() as stack:
            yield _find_out(path, head, stack, most_seconds)
    except OndesError:
        raise
    # TypeError: soundfile takes the name *.raw for headerless audio. AssertionError, ValueError: broken seek tables.
    except (soundfile.SoundFileError, TypeError, AssertionError, ValueError, MemoryError, OSError) as error:
        raise _damaged(path, head, describe_sndfile_error(error)) from None


def _find_out(path: Path, head: bytes, stack: ExitStack, most_seconds: float | None) -> _Opened:
    data = find_audio_data(path, head)
    source: Any = sndfile_name(path)
    if data is not None and data.patches:
        source = stack.enter_context(PatchedFile(path, data.patches))
    try:
        stream = stack.enter_context(_Stream(source))
    except soundfile.LibsndfileError as error:
        if not _is_for_ffmpeg(path, head, error):
            raise
        try:
            source, complaint = stack.enter_context(ffmpeg.decoded(path, most_seconds))
        except UnreadableAudioError:
            if ffmpeg.is_known(path, head):
                raise
            raise error from None  # libsndfile knows this format, so its message is the right one
        stream = stack.enter_context(_Stream(source))
        damage = complaint and f"damaged ({complaint})"
        kind = (path.suffix[1:].upper() or "MEDIA", "FFMPEG", False, damage)
        info = AudioInfo(stream.samplerate, stream.channels, stream.frames, *kind)
    else:
        info = _describe(stream, data)
    _check_header(path, stream)
    if info.frames >= _UNKNOWN_LENGTH:
        with _Stream(source) as ahead:
            info = replace(info, frames=_count(ahead, most_seconds), is_seekable=False)
    if info.format == "RAW":
        raise ValueError("Format not recognised")
    if info.frames == 0:
        if info.damage:
            raise UnreadableAudioError(f"{path} is {info.damage} and contains no samples", info.damage)
        raise UnreadableAudioError(f"{path} contains no samples, only a header", "no audio (0 samples)")
    remark = "has a header without a length (it was streamed or cut off); read up to its end"
    return _Opened(path, stream, info, remark if data is not None and data.is_open else "")


def _describe(stream: _Stream, data: AudioData | None) -> AudioInfo:
    damage = ""
    if data is not None and data.is_truncated:
        damage = f"truncated ({data.present} of {data.promised} bytes)"
    elif _lacks_end(stream):
        damage = "truncated (the Ogg stream has no end)"
    # PAF has blocks of ten samples, and the last block cannot be read.
    depends = stream.subtype.startswith(_DEPENDENT) or stream.format == "PAF"
    can_seek = soundfile.SoundFile.seekable(stream) and not depends
    facts = (stream.samplerate, stream.channels, stream.frames, stream.format, stream.subtype)
    return AudioInfo(*facts, can_seek, damage)


def _lacks_end(stream: _Stream) -> bool:
    # libsndfile 1.2.0 does not complain, and knows no length then.
    unknown = stream.format == "OGG" and stream.frames >= _UNKNOWN_LENGTH
    return unknown or any(sign in stream.extra_info for sign in _NO_END)


def _count(stream: _Stream, most_seconds: float | None) -> int:
    """Return the number of samples that can still be decoded, at most those of about ``most_seconds``."""
    most = float("inf") if most_seconds is None else most_seconds * stream.samplerate
    frames = 0
    block = max(1, _BLOCK // stream.channels)
    while frames <= most and (read := len(stream.read(block, dtype="float32"))):
        frames += read
    return frames


def _is_for_ffmpeg(path: Path, head: bytes, error: soundfile.LibsndfileError) -> bool:
    if ffmpeg.is_known(path, head):
        return not looks_like_text(head)
    reason = error.error_string
    return ffmpeg.is_installed() and ("unsupported encoding" in reason or "unimplemented format" in reason)


def _read_head(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UnreadableAudioError(f"{path} is a folder; expected an audio file", "not audio (a folder)")
        if not path.exists():
            raise UnreadableAudioError(f"{path}: no such file", "no such file")
        if not path.is_file():
            raise UnreadableAudioError(f"{path} is not a regular file", "not audio (not a regular file)")
        with open(path, "rb") as stream:
            head = stream.read(256)
    except OSError as error:
        cause = error.strerror or error
        raise UnreadableAudioError(f"{path} cannot be read: {cause}", f"cannot be read ({cause})") from None
    if not head:
        raise UnreadableAudioError(f"{path} is empty (0 bytes); expected audio", "empty file (0 bytes)")
    return head


def _no_samples(path: str | Path, start: int, frames: int, held: int) -> UnreadableAudioError:
    message = f"{path}: no samples at start={start}, frames={frames}; the file has {held}"
    return UnreadableAudioError(message, f"no audio at sample {start}")


def _damaged(path: Path, head: bytes, reason: str) -> UnreadableAudioError:
    expected = "expected wav, flac, ogg, mp3 ..."
    if head.startswith(b"version https://git-lfs"):
        told, cause = "is a Git LFS pointer, not the audio itself; run 'git lfs pull'", "not audio (a Git LFS pointer)"
    elif looks_like_text(head):
        start = head.decode("utf-8", "ignore").split("\n")[0][:40]
        told = f"is a text file, not audio (it starts with {start!r}); {expected}"
        cause = "not audio (a text file)"
    elif "Channel count is zero" in reason:
        told, cause = "has 0 channels; expected at least 1", "damaged (0 channels)"
    elif "SF_INFO struct incomplete" in reason:
        told = "has a header without a valid sample rate or number of channels"
        cause = "damaged (no valid sample rate or number of channels)"
    elif "not recognised" in reason or "not a regular file" in reason or "must be specified" in reason:
        told, cause = f"is not audio in a known format; {expected}", "not audio (no known format)"
    elif "unsupported encoding" in reason:
        cause = "has a codec that only the program ffmpeg may know"
        told = f"{cause}; install it, or convert the file to .wav or .flac"
    else:
        told, cause = f"is damaged: {reason}", f"truncated or corrupt ({reason})"
    return UnreadableAudioError(f"{path} {told}", cause)
