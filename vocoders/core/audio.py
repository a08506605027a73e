"""Audio files: read, write, inspect and resample.

Reads what libsndfile reads (wav, flac, ogg, mp3 among others) and writes wav, flac and ogg. Samples are float32 with
full scale 1, so 24-bit PCM and float files lose nothing. Resampling is soxr at its very high quality.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from vocoders.core.atomic import atomic_file
from vocoders.core.checks import check_audio, check_finite
from vocoders.core.errors import DataError, OndesError

__all__ = [
    "AUDIO_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "AudioInfo",
    "audio_info",
    "read_audio",
    "read_blocks",
    "resample",
    "write_audio",
    "write_blocks",
]

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
WRITABLE_SUFFIXES = (".wav", ".flac", ".ogg")

_logger = logging.getLogger(__name__)

_FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}
_DEFAULT_SUBTYPES = {"WAV": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS"}
_PCM_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
# Written in blocks: libsndfile's Vorbis encoder overflows its stack on one long write, and memory stays bounded.
_BLOCK = 1 << 16
_WAV_LIMIT_BYTES = (1 << 32) - (1 << 16)
# Beyond these libvorbis crashes instead of reporting an error.
_OGG_LIMITS = (200_000, 255)
# Two MPEG frames: the length in the header may be wrong by the encoder's padding.
_MP3_SLACK = 2 * 1152


@dataclass(frozen=True)
class AudioInfo:
    """What the header of an audio file says."""

    sample_rate: int
    channels: int
    frames: int
    format: str
    subtype: str

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


def audio_info(path: str | Path) -> AudioInfo:
    """Read the header of an audio file.

    Raises:
        DataError: if the file is missing, empty, not audio, damaged, or holds no samples.
    """
    with _open(path) as file:
        return AudioInfo(file.samplerate, file.channels, file.frames, file.format, file.subtype)


def read_audio(
    path: str | Path, sample_rate: int | None = None, mono: bool = False, start: int = 0, frames: int = -1
) -> tuple[Tensor, int]:
    """Read an audio file, or a part of it.

    Args:
        path: a wav, flac, ogg or mp3 file.
        sample_rate: resample to this rate in Hz; ``None`` keeps the file's.
        mono: average the channels into one.
        start: first sample of the part, counted at the file's own rate.
        frames: number of samples of the part at the file's own rate, -1 for all that follow; fewer are returned
            where the file ends earlier.

    Returns:
        Audio (C, T), float32, nominally in [-1, 1] (a float file may go beyond, and is not clipped), and its sample
        rate in Hz.

    Raises:
        DataError: if the file is missing, empty, not audio, damaged or truncated, if it holds NaN or infinite samples,
            or if the part lies outside it.
    """
    with _open(path) as file:
        if not 0 <= start < file.frames or frames == 0 or frames < -1:
            raise DataError(f"{path}: no samples at start={start}, frames={frames}; the file holds {file.frames}")
        expected = file.frames - start if frames < 0 else min(frames, file.frames - start)
        file.seek(start)
        samples = file.read(expected, dtype="float32", always_2d=True)
        rate = file.samplerate
        if len(samples) < expected - (_MP3_SLACK if file.format == "MP3" else 0):
            raise DataError(_describe_truncation(path, len(samples) / rate, expected / rate))
    audio = torch.from_numpy(np.ascontiguousarray(samples.T))
    _check_finite(audio, rate, path)
    if mono:
        audio = audio.mean(dim=0, keepdim=True)
    if sample_rate is not None:
        audio = resample(audio, rate, sample_rate)
    return audio, sample_rate or rate


def read_blocks(path: str | Path, size: int) -> Iterator[Tensor]:
    """Read an audio file in memory that does not grow with it.

    Args:
        path: a wav, flac, ogg or mp3 file.
        size: samples of a block; the last one may be shorter.

    Yields:
        Audio (C, T), float32, at the file's rate; together the same samples as :func:`read_audio` gives.

    Raises:
        DataError: as :func:`read_audio`, when it comes to the place.
    """
    with _open(path) as file:
        expected, rate, known = file.frames, file.samplerate, 0
        while known < expected and len(samples := file.read(size, dtype="float32", always_2d=True)):
            audio = torch.from_numpy(np.ascontiguousarray(samples.T))
            _check_finite(audio, rate, path, known)
            known += len(samples)
            yield audio
        if known < expected - (_MP3_SLACK if file.format == "MP3" else 0):
            raise DataError(_describe_truncation(path, known / rate, expected / rate))


def write_audio(
    path: str | Path, audio: Tensor, sample_rate: int, subtype: str | None = None, overwrite: bool = True
) -> None:
    """Write an audio file; it appears whole or not at all.

    PCM samples are rounded to ``x * 2**(bits - 1)``, so what :func:`read_audio` gives for a PCM file is written back
    exactly; what lies beyond full scale is clipped with a warning that names the peak. Float samples are written bit
    for bit.

    Args:
        path: the file; its suffix (.wav, .flac, .ogg) chooses the format. Missing folders are made.
        audio: (C, T) or (T,), floating point, full scale 1.
        sample_rate: in Hz.
        subtype: libsndfile's name of the sample format, such as PCM_16, PCM_24, FLOAT; ``None`` is PCM_16 in wav and
            flac, VORBIS in ogg.
        overwrite: replace an existing file.

    Raises:
        DataError: for NaN or infinite samples, an impossible format, rate or channel count, an existing file without
            ``overwrite``, or a failed write (full disk, no permission).
        ShapeError: if ``audio`` is not (C, T) or (T,) floating point with at least one sample, see
            :mod:`vocoders.core.checks`.
    """
    audio = _as_channels_first(audio, path, sample_rate)
    blocks = audio.split(_BLOCK, dim=-1)
    write_blocks(path, blocks, sample_rate, *audio.shape, subtype=subtype, overwrite=overwrite)


def write_blocks(
    path: str | Path,
    blocks: Iterable[Tensor],
    sample_rate: int,
    channels: int,
    length: int,
    subtype: str | None = None,
    overwrite: bool = True,
) -> int:
    """Write an audio file as :func:`write_audio` does, in memory that does not grow with it.

    Args:
        path: the file; its suffix (.wav, .flac, .ogg) chooses the format.
        blocks: audio (C, T), floating point, full scale 1; an error that they raise leaves no file.
        sample_rate: in Hz.
        channels: C.
        length: samples to expect, for the limits of a format.
        subtype: as for :func:`write_audio`.
        overwrite: replace an existing file.

    Returns:
        The number of samples that were written.

    Raises:
        DataError, ShapeError: as :func:`write_audio`; also if there are no samples.
    """
    path = Path(path)
    format, subtype = _choose_format(path, subtype)
    _check_limits(path, (channels, length), sample_rate, format, subtype)
    bits = _PCM_BITS.get(subtype)
    peak, written = 0.0, 0
    with atomic_file(path, overwrite) as temporary:
        try:
            with soundfile.SoundFile(temporary, "w", sample_rate, channels, subtype, format=format) as file:
                for block in blocks:
                    audio = _as_channels_first(block, path, sample_rate, written)
                    peak, written = max(peak, float(audio.abs().max())), written + audio.shape[-1]
                    for samples in np.array_split(audio.T.numpy(), -(-audio.shape[-1] // _BLOCK)):
                        file.write(np.ascontiguousarray(samples) if bits is None else _quantise(samples, bits))
            complete = written > 0 and soundfile.info(temporary).frames == written
        except soundfile.LibsndfileError as error:
            raise DataError(f"{path} cannot be written: {_reason(error)}") from None
        except AssertionError:  # soundfile's sign that the system took fewer samples than it was given
            complete = False
        if not complete:
            cause = "the system took only a part of it; is the disk full?" if written else "there are no samples"
            raise DataError(f"{path} cannot be written: {cause}")
    if bits is not None and peak > 1.0:
        _logger.warning("%s: peak %.3f is above full scale; clipped to 1", path, peak)
    return written


def resample(audio: Tensor, orig_rate: int, new_rate: int) -> Tensor:
    """Resample with soxr at very high quality (pass band to 0.99 of the lower Nyquist frequency, linear phase).

    Args:
        audio: (..., T), floating point; gradients do not flow through.
        orig_rate: rate of ``audio`` in Hz.
        new_rate: wanted rate in Hz.

    Returns:
        (..., T * new_rate / orig_rate rounded half up, at least 1), on the device and in the type of ``audio``.

    Raises:
        ShapeError: if ``audio`` holds no samples or is not floating point.
        DataError: if a rate is not a positive number, or samples are NaN or infinite.
    """
    if orig_rate <= 0 or new_rate <= 0:
        raise DataError(f"sample rates must be positive, found {orig_rate} Hz and {new_rate} Hz")
    audio = check_audio(audio, dtype=None)
    if orig_rate == new_rate:
        return audio
    length = max(1, (2 * audio.shape[-1] * new_rate + orig_rate) // (2 * orig_rate))
    # soxr knows no half precision.
    wide = audio.detach().cpu() if audio.dtype == torch.float64 else audio.detach().cpu().float()
    channels = wide.reshape(-1, audio.shape[-1]).numpy()
    resampled = np.zeros((len(channels), length), dtype=channels.dtype)
    for row, channel in zip(resampled, channels, strict=True):
        converted = soxr.resample(channel, orig_rate, new_rate, quality="VHQ")[:length]
        row[: len(converted)] = converted
    return torch.from_numpy(resampled).reshape(*audio.shape[:-1], length).to(audio)


@contextmanager
def _open(path: str | Path) -> Iterator[soundfile.SoundFile]:
    """Open for reading; whatever goes wrong, also later while reading, becomes a DataError with a human cause."""
    path = Path(path)
    head = _read_head(path)
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames == 0:
                raise DataError(f"{path} holds no samples, only a header")
            _warn_if_truncated(path, file)
            yield file
    except OndesError:
        raise
    # TypeError: soundfile takes the name *.raw for headerless audio. AssertionError, ValueError: broken seek tables.
    except (soundfile.SoundFileError, TypeError, AssertionError, ValueError, MemoryError) as error:
        raise DataError(_describe_damage(path, head, _reason(error))) from None


def _read_head(path: Path) -> bytes:
    if path.is_dir():
        raise DataError(f"{path} is a folder; expected an audio file")
    try:
        if not path.is_file():
            raise DataError(f"{path}: no such file" if not path.exists() else f"{path} is not a regular file")
        with open(path, "rb") as stream:
            head = stream.read(256)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    if not head:
        raise DataError(f"{path} is empty (0 bytes); expected audio")
    return head


def _describe_damage(path: Path, head: bytes, reason: str) -> str:
    if head.startswith(b"version https://git-lfs"):
        return f"{path} is a Git LFS pointer, not the audio itself; run 'git lfs pull'"
    if _looks_like_text(head):
        start = head.decode("utf-8", "ignore").split("\n")[0][:40]
        return f"{path} is a text file, not audio (it starts with {start!r}); expected wav, flac, ogg or mp3"
    if "Channel count is zero" in reason:
        return f"{path} has 0 channels; expected at least 1"
    if "SF_INFO struct incomplete" in reason:
        return f"{path} has a header without a valid sample rate or number of channels"
    if "not recognised" in reason or "not a regular file" in reason or "must be specified" in reason:
        return f"{path} is not audio in a known format; expected wav, flac, ogg or mp3"
    return f"{path} is damaged: {reason}"


def _looks_like_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not merely a character that the end of the head cuts in two
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n" for character in text)


def _warn_if_truncated(path: Path, file: soundfile.SoundFile) -> None:
    """Warn of a wav file that ends before its header says; 0xFFFFFFFF is how a stream says that it does not know."""
    found = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if file.format == "WAV" and found and int(found[2]) < int(found[1]) < 0xFFFFFF00:
        _logger.warning("%s is truncated: %s of %s bytes of audio are there", path, found[2], found[1])


def _reason(error: BaseException) -> str:
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return text.removeprefix("Error : ").rstrip(".") or type(error).__name__


def _describe_truncation(path: str | Path, found: float, promised: float) -> str:
    promise = f"of the {promised:.3f} s that its header promises"
    return f"{path} is truncated: {found:.3f} s could be read {promise}; copy or convert it again"


def _check_finite(audio: Tensor, sample_rate: int, path: str | Path, start: int = 0) -> None:
    check_finite(audio, "CT", str(path), start=start, sample_rate=sample_rate)


def _as_channels_first(audio: Tensor, path: str | Path, sample_rate: int, start: int = 0) -> Tensor:
    audio = check_audio(audio, "CT", "T", what=f"{path}: audio", start=start, sample_rate=sample_rate)
    return audio.detach().cpu().reshape(-1, audio.shape[-1])


def _choose_format(path: Path, subtype: str | None) -> tuple[str, str]:
    format = _FORMATS.get(path.suffix.lower())
    if format is None:
        known = ", ".join(WRITABLE_SUFFIXES)
        raise DataError(f"{path}: cannot write '{path.suffix}'; expected a name that ends in {known}")
    subtype = subtype or _DEFAULT_SUBTYPES[format]
    if not soundfile.check_format(format, subtype):
        known = ", ".join(soundfile.available_subtypes(format))
        raise DataError(f"{path}: {format} has no sample format '{subtype}'; it has {known}")
    return format, subtype


def _check_limits(path: Path, shape: tuple[int, int], sample_rate: int, format: str, subtype: str) -> None:
    channels, length = shape
    if sample_rate <= 0:
        raise DataError(f"{path}: sample rate must be positive, found {sample_rate} Hz")
    if format == "WAV" and channels * length * _PCM_BITS.get(subtype, 64) // 8 > _WAV_LIMIT_BYTES:
        raise DataError(f"{path}: {length / sample_rate:.0f} s are more than the 4 GiB that WAV can hold; write .flac")
    if format == "OGG" and (sample_rate > _OGG_LIMITS[0] or channels > _OGG_LIMITS[1]):
        raise DataError(f"{path}: Ogg holds at most {_OGG_LIMITS[0]} Hz and {_OGG_LIMITS[1]} channels; write .wav")


def _quantise(block: np.ndarray, bits: int) -> np.ndarray:
    """Round to integers of ``bits`` bits, left-aligned in 32 (libsndfile itself would scale by 2**(bits-1) - 1)."""
    full_scale = 1 << (bits - 1)
    integers = np.rint(block.astype(np.float64) * full_scale).clip(-full_scale, full_scale - 1)
    return np.ascontiguousarray(integers.astype(np.int64) << (32 - bits)).astype(np.int32)
