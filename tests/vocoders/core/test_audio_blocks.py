"""Audio files in blocks are the same files as in one piece."""

import tracemalloc
from pathlib import Path

import pytest
import soundfile
import torch

from vocoders.core.audio import read_audio, read_blocks, write_audio, write_blocks
from vocoders.core.errors import DataError

RATE = 8000


def noise(channels: int = 2, length: int = 5000) -> torch.Tensor:
    return torch.rand(channels, length, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.ogg"])
@pytest.mark.parametrize("size", [1, 777, 5000, 10**12])
def test_blocks_are_the_file(tmp_path: Path, name: str, size: int) -> None:
    write_audio(tmp_path / name, noise(length=600 if size == 1 else 5000), RATE)
    blocks = list(read_blocks(tmp_path / name, size))
    assert all(block.shape[-1] == size for block in blocks[:-1])
    # A decoder of a lossy format may round otherwise where it starts at another place.
    torch.testing.assert_close(torch.cat(blocks, -1), read_audio(tmp_path / name)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "subtype"), [("x.wav", "PCM_24"), ("x.wav", "FLOAT"), ("x.flac", None)])
def test_written_in_blocks_or_whole_the_bytes_are_equal(tmp_path: Path, name: str, subtype: str | None) -> None:
    audio = noise()
    write_audio(tmp_path / name, audio, RATE, subtype)
    (tmp_path / "blocks").mkdir()
    length = write_blocks(tmp_path / "blocks" / name, audio.split(123, dim=-1), RATE, 2, 5000, subtype)
    assert length == 5000
    assert torch.equal(read_audio(tmp_path / "blocks" / name)[0], read_audio(tmp_path / name)[0])
    assert soundfile.info(tmp_path / "blocks" / name).subtype == soundfile.info(tmp_path / name).subtype


def test_a_bad_block_leaves_no_file_and_is_told_with_its_time(tmp_path: Path) -> None:
    blocks = [noise(1, 4000), torch.tensor([[0.0, float("nan")]])]
    with pytest.raises(DataError, match=r"the first at 0\.500 s"):
        write_blocks(tmp_path / "x.wav", blocks, RATE, 1, 4002)
    with pytest.raises(DataError, match="no samples"):
        write_blocks(tmp_path / "x.wav", [], RATE, 1, 0)
    assert not list(tmp_path.iterdir())


def test_a_truncated_file_is_told_when_its_end_is_reached(tmp_path: Path) -> None:
    write_audio(tmp_path / "x.flac", noise(length=40000), RATE)
    content = (tmp_path / "x.flac").read_bytes()
    (tmp_path / "x.flac").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"x\.flac is (truncated|damaged)"):
        list(read_blocks(tmp_path / "x.flac", 1000))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    write_audio(tmp_path / "x.wav", torch.zeros(1, 4_000_000), RATE)
    tracemalloc.start()
    try:
        length = write_blocks(tmp_path / "y.wav", read_blocks(tmp_path / "x.wav", 4096), RATE, 1, 4_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert length == 4_000_000
    assert peak < 1_000_000  # the file is 16 MB as float32
