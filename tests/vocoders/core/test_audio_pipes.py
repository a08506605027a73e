"""Audio in pipes: what is written is read again, headers of unknown length are understood, bad ones refused."""

import io
import struct

import numpy as np
import pytest
import soundfile
import torch

from vocoders.core.audio_pipes import RAW_ENCODINGS, PipeFormat, PipeWriter, read_pipe
from vocoders.core.errors import ConfigError, DataError

SUBTYPES = {
    "u8": "PCM_U8",
    "s16le": "PCM_16",
    "s24le": "PCM_24",
    "s32le": "PCM_32",
    "f32le": "FLOAT",
    "f64le": "DOUBLE",
}


def noise(channels: int = 2, length: int = 1000) -> torch.Tensor:
    return torch.rand(channels, length, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = io.BytesIO(data), size

    def read(self, size: int = -1) -> bytes:
        return self.data.read(min(self.size, size) if size > 0 else self.size)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("encoding", RAW_ENCODINGS)
def test_what_is_written_is_read_again(encoding: str, header: bool) -> None:
    format, audio, stream = PipeFormat(encoding, 44100, 2), noise(), io.BytesIO()
    writer = PipeWriter(stream, format, header)
    for part in audio.split(300, dim=-1):
        writer.write(part)
    for size in (1 << 20, 7):
        found, blocks = read_pipe(Trickle(stream.getvalue(), size), None if header else format)
        assert found == format
        read = torch.cat(list(blocks), dim=-1)
        step = 2 ** (1 - 8 * RAW_ENCODINGS[encoding][0]) if RAW_ENCODINGS[encoding][1] == 1 else 1e-7
        assert (read - audio).abs().max() <= max(step, 6e-8)


@pytest.mark.parametrize("encoding", RAW_ENCODINGS)
def test_libsndfile_writes_the_same_samples(encoding: str) -> None:
    stream, audio = io.BytesIO(), noise()
    soundfile.write(stream, audio.T.numpy(), 48000, SUBTYPES[encoding], format="WAV")
    expected, _ = soundfile.read(io.BytesIO(stream.getvalue()), dtype="float32", always_2d=True)
    format, blocks = read_pipe(Trickle(stream.getvalue(), 1000))
    assert format == PipeFormat(encoding, 48000, 2)
    np.testing.assert_array_equal(torch.cat(list(blocks), dim=-1).T.numpy(), expected)


@pytest.mark.parametrize("length", [0, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFF024])
def test_the_length_may_be_unknown(length: int) -> None:
    stream = io.BytesIO()
    PipeWriter(stream, PipeFormat("s16le", 8000, 1)).write(noise(1))
    data = bytearray(stream.getvalue())
    data[40:44] = struct.pack("<I", length)
    _, blocks = read_pipe(io.BytesIO(bytes(data) + b"\x01"))
    assert sum(block.shape[-1] for block in blocks) == 1000


def test_what_follows_the_samples_is_no_audio() -> None:
    stream = io.BytesIO()
    PipeWriter(stream, PipeFormat("s16le", 8000, 1)).write(noise(1))
    data = bytearray(stream.getvalue())
    data[40:44] = struct.pack("<I", 2000)
    _, blocks = read_pipe(io.BytesIO(bytes(data) + b"LIST" + bytes(500)))
    assert sum(block.shape[-1] for block in blocks) == 1000


def test_loud_samples_clip_and_keep_their_sign() -> None:
    stream, format = io.BytesIO(), PipeFormat("s16le", 8000, 1)
    writer = PipeWriter(stream, format, header=False)
    writer.write(torch.tensor([[2.0, -2.0, 1.0]]))
    assert writer.clips
    _, blocks = read_pipe(io.BytesIO(stream.getvalue()), format)
    assert next(blocks)[0].tolist() == [1 - 2**-15, -1, 1 - 2**-15]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"fLaC" + bytes(100),
        b"RIFF\0\0\0\0WAVE",
        b"RIFF\0\0\0\0WAVEdata\0\0\0\0",
        b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcd",
        b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff" + bytes(100),
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 65535, 8000, 0, 0, 16) + b"data\0\0\0\0",
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 1, 10**9, 0, 0, 16) + b"data\0\0\0\0",
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 17, 1, 8000, 0, 0, 4) + b"data\0\0\0\0",
        b"RIFF\0\0\0\0WAVE" + 300 * (b"LIST\0\x10\0\0" + bytes(4096)),
    ],
)
def test_what_is_no_wav_is_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        read_pipe(io.BytesIO(data))


def test_floats_that_are_no_numbers_are_refused() -> None:
    _, blocks = read_pipe(io.BytesIO(b"\xff" * 64), PipeFormat("f32le", 8000, 1))
    with pytest.raises(DataError):
        next(blocks)


@pytest.mark.parametrize("text", ["", "s16le", "s16le,0,1", "s16le,x", "mp3,8000,1", "s16le,8000,1,1", "s16le,8000,99"])
def test_bad_raw_formats_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        PipeFormat.parse(text)
    assert PipeFormat.parse("S16LE, 8000") == PipeFormat("s16le", 8000, 1)
