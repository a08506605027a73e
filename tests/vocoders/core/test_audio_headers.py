"""Headers that are wrong about the length: what is there is read, by every way of reading, with one word at most."""

import logging
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from recipes.data.checking import check_audio
from vocoders.core.audio import audio_info, read_audio, read_blocks
from vocoders.core.audio_headers import find_audio_data
from vocoders.core.errors import UnreadableAudioError

RATE = 8000


def written(path: Path, name: str, subtype: str, channels: int = 2) -> tuple[bytearray, torch.Tensor]:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (5001, channels))
    soundfile.write(path, samples, RATE, subtype, format=name)
    return bytearray(path.read_bytes()), read_audio(path)[0]


def put(content: bytearray, place: int, number: str, value: int) -> None:
    struct.pack_into(number, content, place, value)


# Where the length stands behind a mark, how it is written, and what stands there when nobody knows it.
OPEN = [
    ("WAV", "PCM_16", b"data", 4, "<I", 0),
    ("WAV", "FLOAT", b"data", 4, "<I", 0),
    ("WAV", "MS_ADPCM", b"data", 4, "<I", 0),
    ("WAV", "ULAW", b"data", 4, "<I", 0),
    ("WAVEX", "PCM_24", b"data", 4, "<I", 0),
    ("RF64", "PCM_16", b"ds64", 16, "<Q", 0),
    ("AU", "PCM_16", b".snd", 8, ">I", 0),
    ("AIFF", "PCM_16", b"SSND", 4, ">I", 0),
    ("AIFF", "FLOAT", b"SSND", 4, ">I", 8),
    ("CAF", "PCM_16", b"data", 4, ">Q", 0),
    ("CAF", "PCM_24", b"data", 4, ">Q", 4),
]
PLACEHOLDERS = [
    *(("WAV", "PCM_16", b"data", 4, "<I", value) for value in (0xFFFFFFFF, 0xFFFFFF00, 0x7FFFF000, 0x80000000)),
    ("WAVEX", "FLOAT", b"data", 4, "<I", 0xFFFFFFFF),
    ("AU", "FLOAT", b".snd", 8, ">I", 0xFFFFFFFF),
    ("AIFF", "PCM_24", b"SSND", 4, ">I", 0xFFFFFFFF),
    ("CAF", "PCM_16", b"data", 4, ">Q", (1 << 64) - 1),
    ("W64", "PCM_16", b"data\xf3\xac", 16, "<Q", 0),
    ("W64", "PCM_16", b"riff", 16, "<Q", (1 << 64) - 1),
    ("RF64", "PCM_16", b"data", 4, "<I", 0),
]


def check_same(path: Path, whole: torch.Tensor) -> None:
    assert audio_info(path).frames == whole.shape[-1]
    assert torch.equal(read_audio(path)[0], whole)
    assert torch.equal(torch.cat(list(read_blocks(path, 777)), -1), whole)
    assert torch.equal(read_audio(path, start=4000, frames=300)[0], whole[:, 4000:4300])
    assert check_audio(path).problem == ""


@pytest.mark.parametrize(("name", "subtype", "mark", "offset", "number", "value"), OPEN)
def test_a_header_without_a_length_is_read_to_its_end_with_one_word(
    tmp_path: Path, caplog, name: str, subtype: str, mark: bytes, offset: int, number: str, value: int
) -> None:
    path = tmp_path / "x.audio"
    content, whole = written(path, name, subtype)
    put(content, content.index(mark) + offset, number, value)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        check_same(path, whole)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize(("name", "subtype", "mark", "offset", "number", "value"), PLACEHOLDERS)
def test_the_placeholder_of_a_stream_is_no_damage(
    tmp_path: Path, caplog, name: str, subtype: str, mark: bytes, offset: int, number: str, value: int
) -> None:
    path = tmp_path / "x.audio"
    content, whole = written(path, name, subtype)
    put(content, content.index(mark) + offset, number, value)
    path.write_bytes(content)
    check_same(path, whole)
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "subtype"),
    [("WAV", "PCM_16"), ("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16")]
    + [("AU", "FLOAT"), ("CAF", "PCM_16"), ("WAV", "MS_ADPCM"), ("WAV", "IMA_ADPCM")],
)
def test_a_truncated_file_is_told_once_and_left_out_of_corpora(tmp_path: Path, caplog, name: str, subtype: str) -> None:
    path = tmp_path / "x.audio"
    content, whole = written(path, name, subtype)
    path.write_bytes(content[: len(content) * 6 // 10])
    info = audio_info(path)
    assert not caplog.records  # whoever takes the samples is told
    assert 0 < info.frames < whole.shape[-1]
    assert "truncated" in info.damage
    for _ in range(2):
        cut, _ = read_audio(path)
        assert cut.shape[-1] == info.frames
        assert torch.equal(torch.cat(list(read_blocks(path, 777)), -1), cut)
    assert len(caplog.records) == 1
    assert "truncated" in check_audio(path).problem


def test_an_empty_recording_stays_empty(tmp_path: Path) -> None:
    for name, trailer in (("none.wav", b""), ("tagged.wav", b"LIST\x0a\0\0\0INFOISFT\0\0")):
        soundfile.write(tmp_path / name, np.zeros((0, 1)), RATE, "PCM_16")
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + trailer)
        for function in (audio_info, read_audio, lambda path: list(read_blocks(path, 100))):
            with pytest.raises(UnreadableAudioError, match="no samples"):
                function(tmp_path / name)
        assert "0 samples" in check_audio(tmp_path / name).problem


@pytest.mark.parametrize("name", ["WAV", "RF64"])
def test_odd_chunks_and_trailing_chunks_are_not_audio(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.wav"
    content, whole = written(path, name, "PCM_16", channels=1)
    odd = b"LIST\x05\0\0\0INFOa\0"
    path.write_bytes(content[:12] + odd + content[12:] + odd)
    check_same(path, whole)
    data = find_audio_data(path, path.read_bytes()[:256])
    assert (data.promised, data.is_truncated, data.is_open) == (2 * 5001, False, False)


def test_a_flac_stream_of_unknown_length_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    content, whole = written(path, "FLAC", "PCM_16")
    # STREAMINFO: the lowest 36 bits of the eight bytes at 18 count the samples; 0 is unknown.
    place = content.index(b"fLaC") + 18
    put(content, place, ">Q", struct.unpack_from(">Q", content, place)[0] & ~((1 << 36) - 1))
    path.write_bytes(content)
    check_same(path, whole)


def test_garbage_of_any_name_is_not_audio(tmp_path: Path) -> None:
    for suffix in (".wav", ".au", ".snd", ".aiff", ".caf", ".w64", ".rf64", ".mp3", ".gsm", ".vox"):
        path = tmp_path / f"x{suffix}"
        path.write_bytes(np.random.default_rng(1).bytes(3000))
        verdicts = []
        for function in (audio_info, read_audio):
            with pytest.raises(UnreadableAudioError) as caught:
                function(path)
            verdicts.append(caught.value.reason)
        assert verdicts == [check_audio(path).problem] * 2
