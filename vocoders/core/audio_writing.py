"""Write audio files, which appear whole or not at all."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from torch import Tensor

from vocoders.core.atomic import atomic_file, is_full
from vocoders.core.audio_formats import has_sample_format, output_format
from vocoders.core.audio_reading import describe_sndfile_error, sndfile_name
from vocoders.core.checks import check_audio
from vocoders.core.errors import DataError, DiskError

__all__ = ["write_audio", "write_blocks"]

_logger = logging.getLogger(__name__)

_PCM_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_ALAC_BITS = {"ALAC_16": 16, "ALAC_20": 20, "ALAC_24": 24}
# Sample formats that can represent values beyond full scale. In others libsndfile clips, or flips the sign.
_BEYOND_FULL_SCALE = ("FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_III")
# Written in blocks: libsndfile's Vorbis encoder overflows its stack on one long write, and memory stays bounded.
_BLOCK = 1 << 16
# Command of libsndfile.
_SET_PEAK_CHUNK = 0x1050
_LIMIT_BYTES = (1 << 32) - (1 << 16)
# Containers whose lengths are 32-bit numbers.
_LIMITED = ("WAV", "AIFF", "AU")
# Beyond these libvorbis crashes instead of reporting an error.
_OGG_LIMITS = (200_000, 255)
_CODEC_RATES = {
    "OPUS": (8000, 12000, 16000, 24000, 48000),
    "MPEG_LAYER_III": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
}


def write_audio(
    path: str | Path, audio: Tensor, sample_rate: int, subtype: str | None = None, overwrite: bool = True
) -> None:
    """Write an audio file; it appears whole or not at all.

    PCM samples are rounded to ``x * 2**(bits - 1)``, so audio that ``read_audio`` has read from a PCM file is written
    back exactly. Float samples are written bit for bit. Vorbis, Opus and MP3 also represent values beyond full scale;
    every other sample format clips them, with a warning that names the peak.

    Args:
        path: the file; its suffix (.wav, .flac, .ogg, .opus, .mp3, .aiff, .au, .caf, .w64) chooses the format. Missing
            folders are made.
        audio: (C, T) or (T,), floating point, full scale 1.
        sample_rate: in Hz.
        subtype: libsndfile's name of the sample format, such as PCM_16, PCM_24, FLOAT; ``None`` is PCM_16,
            or the codec of a file that is always compressed.
        overwrite: replace an existing file.

    Raises:
        DataError: for NaN or infinite samples, an impossible format, rate or channel count, an existing file without
            ``overwrite``, or a failed write (full disk, no permission).
        ShapeError: if ``audio`` is not (C, T) or (T,) floating point with at least one sample.
    """
    audio = _as_channels_first(audio, path, sample_rate)
    write_blocks(path, [audio], sample_rate, *audio.shape, subtype=subtype, overwrite=overwrite)


def write_blocks(
    path: str | Path,
    blocks: Iterable[Tensor],
    sample_rate: int,
    channels: int,
    length: int,
    subtype: str | None = None,
    overwrite: bool = True,
) -> int:
    """Write an audio file as :func:`write_audio` does, block by block, in constant memory.

    Args:
        path: the file; its suffix chooses the format.
        blocks: audio (C, T), floating point, full scale 1; if the iterable raises an error, no file is written.
        sample_rate: in Hz.
        channels: C.
        length: expected number of samples, to check the limits of the format.
        subtype: as for :func:`write_audio`.
        overwrite: replace an existing file.

    Returns:
        The number of written samples.

    Raises:
        DataError, ShapeError: as :func:`write_audio`; also if there are no samples.
    """
    path = Path(path)
    format, subtype = _choose_format(path, subtype)
    _check_limits(path, (channels, length), sample_rate, format, subtype)
    peak, written = 0.0, 0
    with atomic_file(path, overwrite) as temporary:
        temporary.touch()  # the system says why it refuses, libsndfile does not
        try:
            name = sndfile_name(temporary)
            with _Unsynced(name, "w", sample_rate, channels, subtype, format=format) as file:
                _leave_out_time(file)
                for block in blocks:
                    audio = _as_channels_first(block, path, sample_rate, written)
                    peak, written = max(peak, float(audio.abs().max())), written + audio.shape[-1]
                    for samples in np.array_split(audio.T.numpy(), -(-audio.shape[-1] // _BLOCK)):
                        file.write(_encode(samples, subtype))
            # Codecs with fixed frames pad the last one.
            complete = written > 0 and soundfile.info(name).frames >= written
        except soundfile.LibsndfileError as error:
            raise _write_error(path, error, temporary.parent) from None
        except AssertionError:  # soundfile raises it when the system wrote fewer samples than it was given
            complete = False
        if not complete:
            if not written:
                raise DataError(f"{path} cannot be written: there are no samples")
            raise _part_error(path, temporary.parent)
    if peak > 1.0 and subtype not in _BEYOND_FULL_SCALE:
        _logger.warning("%s: peak %.3f is above full scale; clipped to 1", path, peak)
    return written


class _Unsynced(soundfile.SoundFile):
    """A file whose end does not wait for the disk: soundfile waits, some milliseconds for each file."""

    def flush(self) -> None:
        """Leave the time to the system; closing writes everything, and tells if it cannot."""


def _write_error(path: Path, error: soundfile.LibsndfileError, folder: Path) -> DataError:
    """Return the error of a failed write; libsndfile calls a full disk a system error."""
    told = describe_sndfile_error(error)
    if "System error" not in told:
        return DataError(f"{path} cannot be written: {told}")
    return _part_error(path, folder)


def _part_error(path: Path, folder: Path) -> DataError:
    """Return the error of a file of which only a part was written."""
    if is_full(folder):
        return DiskError(f"{path} cannot be written: the disk is full")
    return DataError(f"{path} cannot be written: the system wrote only a part of it; is the disk full?")


def _leave_out_time(file: soundfile.SoundFile) -> None:
    """Leave out the chunk with the peak of float files: it contains the time, and equal audio makes equal files."""
    soundfile._snd.sf_command(file._file, _SET_PEAK_CHUNK, soundfile._ffi.NULL, 0)


def _as_channels_first(audio: Tensor, path: str | Path, sample_rate: int, start: int = 0) -> Tensor:
    audio = check_audio(audio, "CT", "T", what=f"{path}: audio", start=start, sample_rate=sample_rate)
    return audio.detach().cpu().reshape(-1, audio.shape[-1])


def _choose_format(path: Path, subtype: str | None) -> tuple[str, str]:
    format, usual = output_format(path)
    if subtype is not None and not has_sample_format(path, subtype):
        known = ", ".join(name for name in soundfile.available_subtypes(format) if has_sample_format(path, name))
        raise DataError(f"{path}: {format} has no sample format '{subtype}'; it has {known}")
    return format, subtype or usual


def _check_limits(path: Path, shape: tuple[int, int], sample_rate: int, format: str, subtype: str) -> None:
    channels, length = shape
    if sample_rate <= 0:
        raise DataError(f"{path}: sample rate must be positive, found {sample_rate} Hz")
    if format in _LIMITED and channels * length * _PCM_BITS.get(subtype, 64) // 8 > _LIMIT_BYTES:
        told = f"{length / sample_rate:.0f} s exceed the 4 GiB limit of {format}"
        raise DataError(f"{path}: {told}; write .flac or .w64")
    if format == "OGG" and (sample_rate > _OGG_LIMITS[0] or channels > _OGG_LIMITS[1]):
        raise DataError(f"{path}: Ogg allows at most {_OGG_LIMITS[0]} Hz and {_OGG_LIMITS[1]} channels; write .wav")
    if format == "MP3" and channels > 2:
        raise DataError(f"{path}: MP3 allows at most 2 channels, found {channels}; write .ogg or .wav")
    if sample_rate not in _CODEC_RATES.get(subtype, (sample_rate,)):
        rates = ", ".join(map(str, _CODEC_RATES[subtype]))
        raise DataError(f"{path}: {sample_rate} Hz; {path.suffix} files allow {rates} Hz: resample, or write .wav")


def _encode(samples: np.ndarray, subtype: str) -> np.ndarray:
    bits = _PCM_BITS.get(subtype) or _ALAC_BITS.get(subtype)
    if bits is not None:
        return _quantise(samples, bits)
    # The value 1 overflows integers by one step, which flips the sign in some codecs.
    return np.ascontiguousarray(samples if subtype in _BEYOND_FULL_SCALE else samples.clip(-1.0, 1.0 - 2**-15))


def _quantise(block: np.ndarray, bits: int) -> np.ndarray:
    """Round to integers of ``bits`` bits, left-aligned in 32 (libsndfile itself would scale by 2**(bits-1) - 1)."""
    full_scale = 1 << (bits - 1)
    integers = np.rint(block.astype(np.float64) * full_scale).clip(-full_scale, full_scale - 1)
    return np.ascontiguousarray(integers.astype(np.int64) << (32 - bits)).astype(np.int32)
