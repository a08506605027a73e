"""Audio in pipes: raw samples, or WAV of unknown length as sox and ffmpeg write and read it, in constant memory."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast

import numpy as np
import torch
from torch import Tensor

from vocoders.core.errors import ConfigError, DataError

__all__ = ["RAW_ENCODINGS", "PipeFormat", "PipeWriter", "decode_samples", "encode_samples", "read_pipe"]

Encoding = Literal["u8", "s16le", "s24le", "s32le", "f32le", "f64le"]
# Bytes of a sample and its format in WAV: 1 are integers, 3 floats.
RAW_ENCODINGS: dict[Encoding, tuple[int, int]] = {
    "u8": (1, 1), "s16le": (2, 1), "s24le": (3, 1), "s32le": (4, 1), "f32le": (4, 3), "f64le": (8, 3),
}  # fmt: skip
_RATES, _MOST_CHANNELS = (1, 1_000_000), 64
# Lengths from here on, or 0, state that the length is unknown.
_OPEN_LENGTH = 0x7FFFF000
_MOST_HEADER_BYTES = 1 << 20
# Bytes that are read at once at most; less is returned as soon as it comes.
_READ = 1 << 16
_EXTENSIBLE = 0xFFFE


@dataclass(frozen=True)
class PipeFormat:
    """Encoding, sample rate in Hz and channels of audio in a pipe."""

    encoding: Encoding
    sample_rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return RAW_ENCODINGS[self.encoding][0] * self.channels

    @classmethod
    def parse(cls, text: str) -> "PipeFormat":
        """Read ``ENCODING,RATE,CHANNELS``, such as ``s16le,48000,2``; channels may be left out: 1.

        Raises:
            ConfigError: for anything else.
        """
        parts = [part.strip() for part in text.split(",")]
        name = parts[0].lower()
        encoding = cast(Encoding, name) if name in RAW_ENCODINGS else None
        numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in [*parts[1:], "1"][:2]]
        if encoding is None or not 2 <= len(parts) <= 3 or not _possible(*numbers):
            known = ", ".join(RAW_ENCODINGS)
            raise ConfigError(
                f"raw format '{text}'; expected ENCODING,RATE,CHANNELS such as s16le,48000,2, with {known}"
            )
        return cls(encoding, *numbers)


def _possible(sample_rate: int, channels: int) -> bool:
    return _RATES[0] <= sample_rate <= _RATES[1] and 1 <= channels <= _MOST_CHANNELS


def read_pipe(stream: BinaryIO, raw: PipeFormat | None = None) -> tuple[PipeFormat, Iterator[Tensor]]:
    """Read audio from a pipe as it comes.

    Args:
        stream: for example ``sys.stdin.buffer``.
        raw: format of samples without a header; ``None``: a WAV.

    Returns:
        The format, and an iterator over blocks (C, T) of floats of full scale 1, T from 1 on.

    Raises:
        DataError: for a header that is no WAV, or one with an impossible format; from the iterator for samples that
            are NaN or infinite.
    """
    if raw is not None:
        return raw, _blocks(stream, raw, None)
    format, length = _read_header(stream)
    return format, _blocks(stream, format, length)


def _blocks(stream: BinaryIO, format: PipeFormat, length: int | None) -> Iterator[Tensor]:
    rest, left = b"", length
    read = getattr(stream, "read1", stream.read)
    while left is None or left > 0:
        data = read(_READ if left is None else min(_READ, left))
        if not data:
            break
        left = None if left is None else left - len(data)
        data = rest + data
        whole = len(data) - len(data) % format.frame_bytes
        rest = data[whole:]
        if whole:
            yield decode_samples(data[:whole], format)


def decode_samples(data: bytes, format: PipeFormat) -> Tensor:
    """Return audio (C, T) from whole samples.

    Raises:
        DataError: for floats that are NaN or infinite.
    """
    size, kind = RAW_ENCODINGS[format.encoding]
    if kind == 3:
        samples = np.frombuffer(data, f"<f{size}").astype(np.float32)
        if not np.isfinite(samples).all():
            raise DataError("samples are NaN or infinite; is the raw format right?")
    elif size == 1:
        samples = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    elif size == 3:
        padded = np.zeros((len(data) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        samples = padded.view("<i4")[:, 0].astype(np.float32) / 2**31
    else:
        samples = np.frombuffer(data, f"<i{size}").astype(np.float32) / 2 ** (8 * size - 1)
    return torch.from_numpy(np.ascontiguousarray(samples.reshape(-1, format.channels).T))


def _read_header(stream: BinaryIO) -> tuple[PipeFormat, int | None]:
    """Return the format of a WAV, and the length of its samples in bytes if the header states it."""
    head = _exactly(stream, 12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        found = "nothing" if not head else f"{head[:4]!r}"
        raise DataError(f"standard input begins with {found}; expected a WAV, or --raw ENCODING,RATE,CHANNELS")
    format, passed = None, 0
    while passed < _MOST_HEADER_BYTES:
        chunk = _exactly(stream, 8)
        if len(chunk) < 8:
            raise DataError("standard input: the WAV ends before its samples")
        name, length = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"data":
            if format is None:
                raise DataError("standard input: the WAV has samples before their format")
            return format, None if length == 0 or length >= _OPEN_LENGTH else length
        passed += 8 + length
        if passed > _MOST_HEADER_BYTES:
            break
        content = _exactly(stream, length + length % 2)
        if name == b"fmt ":
            format = _parse_format(content)
    raise DataError(f"standard input: over {_MOST_HEADER_BYTES >> 20} MiB of header before the samples of the WAV")


def _parse_format(content: bytes) -> PipeFormat:
    if len(content) < 16:
        raise DataError("standard input: the format of the WAV is incomplete")
    kind, channels, sample_rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
    if kind == _EXTENSIBLE and len(content) >= 26:
        kind = struct.unpack("<H", content[24:26])[0]
    encodings: list[Encoding] = [name for name, known in RAW_ENCODINGS.items() if known == (bits / 8, kind)]
    if not encodings or not _possible(sample_rate, channels):
        found = f"format {kind}, {bits} bits, {sample_rate} Hz, {channels} channels"
        raise DataError(f"standard input: a WAV of {found}; expected integers or floats of {', '.join(RAW_ENCODINGS)}")
    return PipeFormat(encodings[0], sample_rate, channels)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    """Read ``length`` bytes, less at the end of the stream."""
    data = b""
    while len(data) < length and (more := stream.read(length - len(data))):
        data += more
    return data


class PipeWriter:
    """Writes audio to a pipe as it is made; every block is there at once.

    Args:
        stream: for example ``sys.stdout.buffer``.
        format: encoding, sample rate and channels.
        header: begin with the header of a WAV of unknown length.
    """

    def __init__(self, stream: BinaryIO, format: PipeFormat, header: bool = True) -> None:
        self.stream, self.format, self.peak = stream, format, 0.0
        self.header = _wav_header(format) if header else b""

    def write(self, audio: Tensor) -> None:
        """Write audio (C, T) of full scale 1; integers clip what lies beyond it."""
        if audio.numel() == 0:
            return
        self.peak = max(self.peak, float(audio.abs().max()))
        self.stream.write(self.header + encode_samples(audio, self.format))
        self.stream.flush()
        self.header = b""

    @property
    def clips(self) -> bool:
        """Whether samples beyond full scale were clipped."""
        return self.peak > 1 and RAW_ENCODINGS[self.format.encoding][1] == 1


def encode_samples(audio: Tensor, format: PipeFormat) -> bytes:
    """Return audio (C, T) in the encoding of ``format``; integers clip what lies beyond full scale."""
    samples = np.ascontiguousarray(audio.detach().cpu().numpy().T)
    size, kind = RAW_ENCODINGS[format.encoding]
    if kind == 3:
        return samples.astype(f"<f{size}").tobytes()
    scale = 2 ** (8 * size - 1)
    integers = np.rint(samples.astype(np.float64) * scale).clip(-scale, scale - 1).astype(np.int64)
    if size == 1:
        return (integers + 128).astype(np.uint8).tobytes()
    if size == 3:
        return np.ascontiguousarray(integers.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3]).tobytes()
    return integers.astype(f"<i{size}").tobytes()


def _wav_header(format: PipeFormat) -> bytes:
    size, kind = RAW_ENCODINGS[format.encoding]
    rate, width = format.sample_rate, format.frame_bytes
    described = struct.pack("<HHIIHH", kind, format.channels, rate, rate * width, width, 8 * size)
    unknown = 0xFFFFFFFF
    return (
        b"RIFF" + struct.pack("<I", unknown) + b"WAVE"
        + b"fmt " + struct.pack("<I", len(described)) + described
        + b"data" + struct.pack("<I", unknown)
    )  # fmt: skip
