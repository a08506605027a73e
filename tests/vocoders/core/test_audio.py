"""Audio files: exact round trips, human causes, resampling against the analytic signal."""

import logging
import math
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocoders.core.audio import audio_info, read_audio, resample, write_audio
from vocoders.core.errors import DataError, DiskError, ShapeError


def noise(channels: int, length: int, scale: float = 0.3) -> torch.Tensor:
    return scale * torch.randn(channels, length, generator=torch.Generator().manual_seed(channels * 1000 + length))


def wav_header(channels: int, sample_rate: int, num_bytes: int) -> bytes:
    rate_fields = struct.pack("<HHIIHH", 1, channels, sample_rate, 2 * sample_rate * channels, 2 * channels, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + num_bytes)
        + b"WAVEfmt \x10\0\0\0"
        + rate_fields
        + b"data"
        + struct.pack("<I", num_bytes)
    )


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_float_wav_round_trips_bit_for_bit(tmp_path: Path, channels: int) -> None:
    audio = noise(channels, 70_001, scale=2.0)  # beyond full scale, and more than one block
    write_audio(tmp_path / "x.wav", audio, 48000, subtype="FLOAT")
    read, rate = read_audio(tmp_path / "x.wav")
    assert rate == 48000
    assert torch.equal(read, audio)


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_U8", 8), ("PCM_16", 16), ("PCM_24", 24)])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_every_pcm_value_round_trips_exactly(tmp_path: Path, subtype: str, bits: int, suffix: str) -> None:
    if suffix == ".flac" and subtype == "PCM_U8":
        subtype = "PCM_S8"
    full_scale = 1 << (bits - 1)
    values = torch.arange(-full_scale, full_scale, max(1, full_scale >> 14))
    values = torch.cat([values, torch.tensor([full_scale - 1, full_scale - 2, 1, -1])])
    audio = (values.double() / full_scale).float()[None]
    write_audio(tmp_path / f"x{suffix}", audio, 24000, subtype=subtype)
    assert soundfile.info(tmp_path / f"x{suffix}").subtype == subtype
    assert torch.equal(read_audio(tmp_path / f"x{suffix}")[0], audio)


def test_foreign_24_bit_file_survives_reading_and_writing(tmp_path: Path) -> None:
    integers = np.random.default_rng(0).integers(-(1 << 23), 1 << 23, (5000, 2), dtype=np.int32) << 8
    soundfile.write(tmp_path / "foreign.wav", integers, 44100, subtype="PCM_24")
    audio, rate = read_audio(tmp_path / "foreign.wav")
    write_audio(tmp_path / "ours.wav", audio, rate, subtype="PCM_24")
    np.testing.assert_array_equal(soundfile.read(tmp_path / "ours.wav", dtype="int32")[0], integers)


def test_ogg_and_mp3_keep_the_signal(tmp_path: Path) -> None:
    tone = 0.5 * torch.sin(2 * math.pi * 440 * torch.arange(24000) / 24000)
    write_audio(tmp_path / "x.ogg", tone, 24000)
    soundfile.write(tmp_path / "x.mp3", tone.numpy(), 24000)
    for name in ("x.ogg", "x.mp3"):
        read, rate = read_audio(tmp_path / name)
        assert (rate, read.shape) == (24000, (1, 24000))
        error = (read[0, 4000:-4000] - tone[4000:-4000]).square().mean() / tone.square().mean()
        assert 10 * math.log10(error) < -25, name


def test_long_ogg_does_not_crash(tmp_path: Path) -> None:
    write_audio(tmp_path / "x.ogg", noise(1, 2_000_000, 0.1), 24000)
    assert audio_info(tmp_path / "x.ogg").frames == 2_000_000


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_part_equals_slice_of_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    soundfile.write(path, noise(2, 40_000).clamp(-1, 1).T.numpy(), 24000)
    whole, _ = read_audio(path)
    part, _ = read_audio(path, start=12_345, frames=6_789)
    assert part.shape == (2, 6_789)
    # A seek into mp3 starts with another state of the decoder's dither, 1e-3 at worst.
    tolerance = 1e-3 if suffix == ".mp3" else 0.0
    torch.testing.assert_close(part, whole[:, 12_345 : 12_345 + 6_789], atol=tolerance, rtol=0)
    assert read_audio(path, start=39_000, frames=5_000)[0].shape == (2, 1_000)


def test_mono_is_the_mean_of_the_channels(tmp_path: Path) -> None:
    audio = noise(2, 100)
    write_audio(tmp_path / "x.wav", audio, 24000, subtype="FLOAT")
    mono, _ = read_audio(tmp_path / "x.wav", mono=True)
    torch.testing.assert_close(mono, audio.mean(dim=0, keepdim=True))


def test_info_reads_the_header(tmp_path: Path) -> None:
    write_audio(tmp_path / "x.flac", noise(8, 4410), 44100, subtype="PCM_24")
    info = audio_info(tmp_path / "x.flac")
    assert (info.sample_rate, info.channels, info.frames, info.duration) == (44100, 8, 4410, 0.1)
    assert (info.format, info.subtype) == ("FLAC", "PCM_24")


def test_clipping_is_announced_with_the_peak(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        write_audio(tmp_path / "x.wav", torch.tensor([0.0, 1.7, -1.2]), 24000)
    assert "1.700" in caplog.text
    assert torch.equal(read_audio(tmp_path / "x.wav")[0], torch.tensor([[0.0, 1 - 2**-15, -1.0]]))
    caplog.clear()
    write_audio(tmp_path / "y.wav", torch.tensor([1.0, -1.0]), 24000)
    write_audio(tmp_path / "z.wav", torch.tensor([1.7, -1.0]), 24000, subtype="FLOAT")
    assert not caplog.records


BROKEN = {
    "empty.wav": (b"", "empty"),
    "text.wav": ("some wörds, not audio\n".encode() * 20, "text file"),
    "text.mp3": (b"some words, not audio\n" * 20, "text file"),
    "pointer.flac": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    "header.wav": (wav_header(1, 24000, 0), "no samples"),
    "channels.wav": (wav_header(0, 24000, 100) + bytes(100), "0 channels"),
    "rate.wav": (wav_header(1, 0, 100) + bytes(100), "without a valid sample rate"),
    "cut.wav": (wav_header(1, 24000, 100)[:30], "damaged"),
    "binary.wav": (bytes(range(256)) * 8, "not audio"),
    "binary.raw": (bytes(range(256)) * 8, "not audio"),
    "binary.ogg": (b"OggS" + bytes(range(200)), "damaged"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_unusable_file_has_a_human_cause(tmp_path: Path, name: str) -> None:
    content, cause = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    for function in (audio_info, read_audio):
        with pytest.raises(DataError, match=cause) as caught:
            function(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_missing_file_folder_and_device_are_named(tmp_path: Path) -> None:
    for path, cause in [(tmp_path / "none.wav", "no such file"), (tmp_path, "is a folder"), ("/dev/null", "regular")]:
        with pytest.raises(DataError, match=cause):
            read_audio(path)


@pytest.mark.parametrize("suffix", [".flac", ".mp3"])
def test_truncated_compressed_file_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    soundfile.write(path, noise(1, 48_000).T.numpy(), 24000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="truncated|damaged"):
        read_audio(path)


def test_truncated_wav_gives_what_is_there_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wav_header(1, 24000, 2000) + bytes(1000))
    assert read_audio(path)[0].shape == (1, 500)
    assert "truncated" in caplog.text


def test_streamed_wav_of_unknown_length_is_fine(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wav_header(1, 24000, 2000)[:40] + b"\xff\xff\xff\xff" + bytes(2000))
    assert read_audio(path)[0].shape == (1, 1000)
    assert not caplog.records


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused_both_ways(tmp_path: Path, bad: float) -> None:
    audio = torch.zeros(2, 24000)
    audio[1, 12000] = bad
    with pytest.raises(DataError, match=r"1 samples .*0\.500 s"):
        write_audio(tmp_path / "x.wav", audio, 24000)
    assert not list(tmp_path.iterdir())
    soundfile.write(tmp_path / "x.wav", audio.T.numpy(), 24000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"x\.wav: 1 samples .*0\.500 s"):
        read_audio(tmp_path / "x.wav")


@pytest.mark.parametrize(("start", "frames"), [(100, -1), (-1, 5), (0, 0), (0, -2)])
def test_part_outside_the_file_is_an_error(tmp_path: Path, start: int, frames: int) -> None:
    write_audio(tmp_path / "x.wav", noise(1, 100), 24000)
    with pytest.raises(DataError, match="has 100"):
        read_audio(tmp_path / "x.wav", start=start, frames=frames)


@pytest.mark.parametrize(
    ("name", "audio", "rate", "subtype", "error"),
    [
        ("x.m4a", torch.zeros(1, 9), 24000, None, DataError),
        ("x", torch.zeros(1, 9), 24000, None, DataError),
        ("x.wav", torch.zeros(1, 9), 0, None, DataError),
        ("x.wav", torch.zeros(1, 9), 24000, "PCM_17", DataError),
        ("x.ogg", torch.zeros(1, 9), 24000, "PCM_16", DataError),
        ("x.ogg", torch.zeros(1, 9), 400_000, None, DataError),
        ("x.flac", torch.zeros(9, 9), 24000, None, DataError),
        ("x.wav", torch.zeros(1, 0), 24000, None, ShapeError),
        ("x.wav", torch.zeros(1, 1, 9), 24000, None, ShapeError),
        ("x.wav", torch.zeros(1, 9, dtype=torch.int16), 24000, None, ShapeError),
    ],
)
def test_what_cannot_be_written_leaves_nothing(
    tmp_path: Path, name: str, audio: torch.Tensor, rate: int, subtype: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        write_audio(tmp_path / name, audio, rate, subtype)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that takes no files from anybody")
def test_a_folder_that_takes_no_files_is_no_full_disk() -> None:
    with pytest.raises(DataError) as caught:
        write_audio("/proc/x.wav", torch.zeros(10), 24000)
    assert not isinstance(caught.value, DiskError)
    assert "full" not in str(caught.value)


def test_existing_file_is_kept_unless_overwriting(tmp_path: Path) -> None:
    write_audio(tmp_path / "x.wav", torch.zeros(10), 24000)
    with pytest.raises(DataError, match="exists"):
        write_audio(tmp_path / "x.wav", torch.ones(20), 24000, overwrite=False)
    assert audio_info(tmp_path / "x.wav").frames == 10
    write_audio(tmp_path / "x.wav", torch.ones(20), 24000)
    assert audio_info(tmp_path / "x.wav").frames == 20


def test_full_disk_keeps_the_old_files(tmp_path: Path) -> None:
    paths = [tmp_path / f"x{suffix}" for suffix in (".wav", ".flac", ".ogg")]
    for path in paths:
        write_audio(path, torch.zeros(1000), 24000)
    before = [path.read_bytes() for path in paths]
    code = (
        "import sys, torch; from vocoders.core.audio import write_audio\n"
        "from vocoders.core.errors import DataError\n"
        "for path in sys.argv[1:]:\n"
        "    try: write_audio(path, torch.rand(500_000) - 0.5, 24000)\n"
        "    except DataError as error: print('refused:', error)"
    )

    def limit_file_size() -> None:  # the closest to a full disk that needs no rights
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    command = [sys.executable, "-c", code, *map(str, paths)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, preexec_fn=limit_file_size, capture_output=True, text=True, env=environment)
    assert run.stdout.count("refused:") == 3, run.stderr
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert [path.read_bytes() for path in paths] == before


def test_resampled_tone_is_the_analytic_tone() -> None:
    def tone(rate: int) -> torch.Tensor:
        return torch.sin(2 * math.pi * 3000 * torch.arange(rate // 2, dtype=torch.float64) / rate)

    for orig_rate, new_rate in [(44100, 24000), (48000, 24000), (16000, 48000), (24000, 22050)]:
        resampled = resample(tone(orig_rate), orig_rate, new_rate)
        error = (resampled - tone(new_rate))[1000:-1000].abs().max()
        assert error < 1e-6, (orig_rate, new_rate, float(error))


def test_what_lies_above_the_new_nyquist_frequency_vanishes() -> None:
    high = torch.sin(2 * math.pi * 13_000 * torch.arange(48_000, dtype=torch.float64) / 48_000)
    assert resample(high, 48_000, 24_000)[1000:-1000].abs().max() < 1e-6


@settings(max_examples=50, deadline=None)
@given(
    length=st.integers(1, 3000),
    rates=st.tuples(*[st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000])] * 2),
)
def test_resampled_length_is_rounded_half_up(length: int, rates: tuple[int, int]) -> None:
    orig_rate, new_rate = rates
    resampled = resample(torch.ones(2, 1, length), orig_rate, new_rate)
    assert resampled.shape == (2, 1, max(1, math.floor(length * new_rate / orig_rate + 0.5)))
    assert resampled.dtype == torch.float32


def test_channels_are_resampled_one_by_one() -> None:
    audio = noise(3, 5000)
    together = resample(audio, 44100, 24000)
    assert torch.equal(together, torch.stack([resample(channel, 44100, 24000) for channel in audio]))


def test_resampling_refuses_nonsense() -> None:
    with pytest.raises(DataError):
        resample(torch.zeros(10), 0, 24000)
    with pytest.raises(ShapeError):
        resample(torch.zeros(0), 48000, 24000)
    with pytest.raises(ShapeError):
        resample(torch.zeros(5, dtype=torch.int16), 48000, 24000)
