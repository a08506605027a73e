"""Every format that libsndfile writes is read in one way: header, whole, part, blocks, preparation, training."""

import re
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from recipes.data.checking import check_audio
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.reading import AudioReader
from vocoders.core import ffmpeg
from vocoders.core.audio import AUDIO_SUFFIXES, WRITABLE_SUFFIXES, audio_info, read_audio, read_blocks, write_audio
from vocoders.core.audio_formats import find_files, has_sample_format, list_audio
from vocoders.core.errors import DataError, UnreadableAudioError

RATE = 8000
FORMATS = [
    (name, subtype)
    for name in soundfile.available_formats()
    for subtype in soundfile.available_subtypes(name)
    if name != "RAW"  # headerless
]


def signal(length: int = 9001) -> np.ndarray:
    time = np.arange(length) / RATE
    noise = np.random.default_rng(0).standard_normal(length)
    return (0.4 * np.sin(2 * np.pi * 300 * time * (1 + time)) + 0.05 * noise).astype(np.float32)


def write_or_skip(path: Path, subtype: str, name: str) -> None:
    try:
        soundfile.write(path, signal(), RATE if name != "XI" else 44_100, subtype, format=name)
    except soundfile.LibsndfileError as error:
        pytest.skip(f"this libsndfile does not write it: {error.error_string}")


@pytest.mark.parametrize(("name", "subtype"), FORMATS)
def test_every_way_of_reading_gives_the_same_samples(tmp_path: Path, name: str, subtype: str) -> None:
    path = tmp_path / f"x.{name.lower()}"
    write_or_skip(path, subtype, name)
    whole, rate = read_audio(path)
    info = audio_info(path)
    assert (info.sample_rate, info.channels, info.frames) == (rate, 1, whole.shape[-1])
    assert rate == (RATE if name != "XI" else 44_100)
    assert whole.shape[-1] >= 9001
    loss = (whole[0, 500:8500] - torch.from_numpy(signal())[500:8500]).square().mean().sqrt()
    assert loss < 0.12, float(loss)  # GSM and 3 bits a sample are coarse; another signal would be at 0.4
    for size in (777, 1 << 16):
        assert torch.equal(torch.cat(list(read_blocks(path, size)), dim=-1), whole)
    for start in (0, 1, 4321, whole.shape[-1] - 5):
        assert torch.equal(read_audio(path, start=start, frames=600)[0], whole[:, start : start + 600])
    found = check_audio(path)
    assert (found.problem, found.duration) == ("", info.duration)
    assert list(find_files(tmp_path)) == [path]
    part = Utterance("y", path, "s", 4000 / rate, 2000 / rate, None, "x")
    reader = AudioReader([Utterance("x", path, "s"), part], rate)
    np.testing.assert_array_equal(reader.read(0), whole[0].numpy())
    np.testing.assert_array_equal(reader.read(0, 1000, 500), whole[0, 1000:1500].numpy())
    np.testing.assert_array_equal(reader.read(1), whole[0, 4000:6000].numpy())
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "wav.scp").write_text(f"x {path}\n")
    (tmp_path / "data" / "utt2spk").write_text("x s\n")
    assert KaldiDirectory.read(tmp_path / "data").duration == info.duration


def test_a_part_of_a_lossy_file_is_the_part_of_the_whole_far_from_its_start(tmp_path: Path) -> None:
    for name, kind in (("x.mp3", None), ("x.ogg", "VORBIS"), ("x.opus", "OPUS")):
        samples = np.tile(signal(), 10)
        soundfile.write(tmp_path / name, samples, RATE, kind, format="MP3" if kind is None else "OGG")
        whole, _ = read_audio(tmp_path / name)
        assert torch.equal(read_audio(tmp_path / name, start=70_000, frames=999)[0], whole[:, 70_000:70_999])


@pytest.mark.parametrize("suffix", WRITABLE_SUFFIXES)
def test_what_can_be_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    write_audio(path, torch.from_numpy(signal()), RATE)
    read, rate = read_audio(path)
    assert (rate, read.shape) == (RATE, (1, 9001))
    assert (read[0, 500:8500] - torch.from_numpy(signal())[500:8500]).square().mean().sqrt() < 0.04
    assert set(WRITABLE_SUFFIXES) <= set(AUDIO_SUFFIXES)


@pytest.mark.parametrize(
    ("name", "rate", "channels"), [("x.mp3", 96_000, 1), ("x.mp3", 44_100, 3), ("x.opus", 44_100, 1)]
)
def test_what_a_codec_cannot_hold_is_refused_in_words(tmp_path: Path, name: str, rate: int, channels: int) -> None:
    with pytest.raises(DataError, match=r"x\.(mp3|opus): .*(Hz|channels)"):
        write_audio(tmp_path / name, torch.zeros(channels, 100), rate)
    assert not list(tmp_path.iterdir())


# Codecs that libsndfile itself lets overflow near full scale.
OVERFLOWING = {"G721_32", "G723_24", "G723_40", "ALAC_32"}
KEPT_BEYOND = {"FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_III"}
WRITTEN = [
    (suffix, subtype)
    for suffix in (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".au", ".caf", ".w64")
    for subtype in (name for format, name in FORMATS if format in {suffix[1:].upper(), "OGG", "MP3"})
    if suffix in WRITABLE_SUFFIXES and has_sample_format(Path(f"x{suffix}"), subtype)
]


@pytest.mark.parametrize(("suffix", "subtype"), WRITTEN)
def test_clipping_is_told_and_never_turns_the_sign(
    tmp_path: Path, suffix: str, subtype: str, caplog: pytest.LogCaptureFixture
) -> None:
    loud = torch.from_numpy(4 * signal())
    try:
        write_audio(tmp_path / f"x{suffix}", loud, RATE, subtype)
    except DataError as error:
        pytest.skip(str(error))
    told = [record for record in caplog.records if f"{float(loud.abs().max()):.3f}" in record.getMessage()]
    assert len(told) == (subtype not in KEPT_BEYOND)
    expected = loud if subtype in KEPT_BEYOND else loud.clamp(-1, 1)
    read = read_audio(tmp_path / f"x{suffix}")[0][0, :9001]
    error = (read - expected)[500:8500].square().mean() / expected[500:8500].square().mean()
    if subtype not in OVERFLOWING:
        assert error < 0.1, float(error)  # two bits a sample are coarse; a turned sign is an error of 4
    caplog.clear()
    write_audio(tmp_path / f"y{suffix}", torch.from_numpy(signal()), RATE, subtype)
    assert not caplog.records


def test_folders_give_what_can_be_read_first_and_name_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    caplog.set_level("INFO", "vocoders.core.audio_formats")
    for name in ("b.m4a", "a.webm", "z.aif", "deep/c.wma", "d.mp4", "e.pcm", "y.WAV", "notes.txt", ".hidden.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in list_audio(tmp_path)]
    assert found[:2] == ["y.WAV", "z.aif"]
    assert set(found[2:]) == {"b.m4a", "a.webm", "deep/c.wma", "d.mp4", "e.pcm"}
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert "4 audio files" in told
    assert "a.webm" in told
    assert "and 1 more" in told
    assert "e.pcm" in told
    assert re.search(r"1 file .*: notes\.txt$", told, re.MULTILINE)
    assert "hidden" not in told


@pytest.fixture
def imitation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program ffmpeg that knows one format: it copies the W64 file that stands behind four bytes of the input."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(
        "#!/bin/sh\n"
        'while [ $# -gt 1 ]; do [ "$1" = -i ] && input="${2#file:}"; shift; done\n'
        '[ "$(head -c 4 "$input")" = good ] || { echo "[in#0 @ 0x1] $input: Invalid data" >&2; exit 183; }\n'
        'tail -c +5 "$input" > "$1"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_ffmpeg_reads_what_libsndfile_does_not_know(
    tmp_path: Path, imitation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "an 'odd' $(name).w64"
    soundfile.write(source, signal(), RATE, "FLOAT", format="W64")
    path = source.with_suffix(".m4a")
    path.write_bytes(b"good" + source.read_bytes())
    expected, _ = read_audio(source)
    info = audio_info(path)
    assert (info.frames, info.format, info.is_seekable) == (9001, "M4A", False)
    assert torch.equal(read_audio(path)[0], expected)
    assert torch.equal(read_audio(path, start=5000, frames=100)[0], expected[:, 5000:5100])
    assert torch.equal(torch.cat(list(read_blocks(path, 1000)), -1), expected)
    assert check_audio(path).problem == ""
    (tmp_path / "bad.m4a").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(UnreadableAudioError, match=r"bad\.m4a .*Invalid data") as caught:
        read_audio(tmp_path / "bad.m4a")
    assert "0x1" not in str(caught.value)
    assert str(caught.value).count(str(tmp_path)) == 1
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for function in (audio_info, read_audio):
        with pytest.raises(UnreadableAudioError, match="ffmpeg"):
            function(path)
    assert "ffmpeg" in check_audio(path).problem


def test_a_wav_file_of_another_name_needs_no_ffmpeg(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", signal(), RATE)
    (tmp_path / "x.wav").rename(tmp_path / "x.m4a")
    assert audio_info(tmp_path / "x.m4a").format == "WAV"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("suffix", [".m4a", ".aac", ".webm", ".wma", ".mka"])
def test_the_real_ffmpeg_agrees_with_us(tmp_path: Path, suffix: str) -> None:
    import subprocess

    soundfile.write(tmp_path / "x.wav", np.tile(signal(), 4), RATE)
    path = tmp_path / f"x{suffix}"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", tmp_path / "x.wav", path]
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("this ffmpeg does not write it")
    whole, rate = read_audio(path)
    assert whole.shape[-1] / rate == pytest.approx(4.5, abs=0.3)
    assert torch.equal(torch.cat(list(read_blocks(path, 5000)), -1), whole)
    assert audio_info(path, most_seconds=1.0).duration < 1.5


def test_a_playlist_of_another_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.m4a").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n")
    with pytest.raises(UnreadableAudioError, match="text file"):
        read_audio(tmp_path / "x.m4a")
    assert "hls" not in ffmpeg.DEMUXERS.split(",")
