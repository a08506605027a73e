"""What users send: one message for each cause, and no file but theirs."""

import shutil
import subprocess

import numpy as np
import pytest
from demo_server import bad_clips, buzz, write_clip

from demo.limits import check_number, check_seed, owned_path, read_clip
from vocoders.core.errors import ConfigError, DataError


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    """Gradio's folder of uploads."""
    folder = tmp_path / "gradio"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("silent", "silent"),
        ("long", "31.0 s long; the limit is 30 s"),
        ("short", "50 ms.* 200 ms"),
        ("channels", "9 channels; the limit is 8"),
        ("text", "text file, not audio"),
        ("cut", "damaged|truncated|could be read"),
        ("rate", "1000 Hz; expected 4000"),
    ],
)
def test_each_cause_has_its_message_without_the_path(uploads, name, message) -> None:
    path = bad_clips(uploads)[name]
    with pytest.raises(DataError, match=message) as caught:
        read_clip(str(path))
    assert str(uploads) not in str(caught.value)


def test_nothing_given(uploads) -> None:
    with pytest.raises(DataError, match="no clip yet"):
        read_clip(None)


def test_a_large_file_is_refused_before_it_is_read(uploads, monkeypatch) -> None:
    monkeypatch.setattr("demo.limits.MAX_FILE_BYTES", 1 << 20)
    path = write_clip(uploads / "large.wav", buzz(29, 24000))
    with pytest.raises(DataError, match="1 MB"):
        read_clip(str(path))


@pytest.mark.parametrize("outside", ["/etc/passwd", "../secret.wav", "link.wav", "", "folder"])
def test_only_uploads_are_read(uploads, outside) -> None:
    secret = write_clip(uploads.parent / "secret.wav", buzz(1))
    (uploads / "link.wav").symlink_to(secret)
    (uploads / "folder").mkdir()
    path = outside if outside.startswith("/") else str(uploads / outside)
    with pytest.raises(DataError, match="not uploaded here"):
        owned_path(path)


def test_stereo_becomes_mono_and_says_so(uploads) -> None:
    left = buzz(1)
    path = write_clip(uploads / "stereo.wav", np.stack([left, 0.5 * left], axis=1))
    clip = read_clip(str(path))
    assert clip.audio.shape == (1, 24000)
    assert clip.audio[0].numpy() == pytest.approx(0.75 * left, abs=1e-4)
    assert clip.remarks == ("2 channels were averaged into one",)
    both = read_clip(str(path), mono=False)
    assert both.audio.shape == (2, 24000)
    assert both.remarks == ()


def test_channels_that_cancel_are_named(uploads) -> None:
    left = buzz(1)
    path = write_clip(uploads / "out_of_phase.wav", np.stack([left, -left], axis=1))
    with pytest.raises(DataError, match="cancel each other"):
        read_clip(str(path))


def test_another_rate_is_resampled_and_said(uploads) -> None:
    path = write_clip(uploads / "clip.wav", buzz(1, 48000), 48000)
    clip = read_clip(str(path), 24000)
    assert (clip.sample_rate, clip.audio.shape) == (24000, (1, 24000))
    assert clip.remarks == ("resampled from 48 to 24 kHz",)


@pytest.mark.parametrize("value", [None, "3", True, float("nan"), float("inf"), -1, 11, [1]])
def test_numbers_from_callers_are_checked(value) -> None:
    with pytest.raises(ConfigError, match="steps is"):
        check_number("steps", value, 0, 10)
    with pytest.raises(ConfigError, match="seed"):
        check_seed(-1 if value is None else "x")


def test_a_truncated_clip_is_used_and_said(uploads) -> None:
    whole = write_clip(uploads / "whole.wav", buzz(1)).read_bytes()
    (uploads / "half.wav").write_bytes(whole[: len(whole) // 2])
    clip = read_clip(str(uploads / "half.wav"))
    assert 0.4 < clip.seconds < 0.51
    assert "truncated" in clip.remarks[0]


@pytest.mark.parametrize("suffix", [".m4a", ".webm"])
def test_formats_of_phones_and_browsers_are_read_or_refused_with_the_remedy(uploads, suffix) -> None:
    path = uploads / f"memo{suffix}"
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        path.write_bytes(b"\x00\x00\x00 ftypM4A " if suffix == ".m4a" else b"\x1aE\xdf\xa3" + bytes(64))
        with pytest.raises(DataError, match="ffmpeg"):
            read_clip(str(path))
        return
    source = write_clip(uploads / "clip.wav", buzz(1), 48000)
    subprocess.run([ffmpeg, "-v", "error", "-i", source, path], check=True)
    assert read_clip(str(path)).seconds == pytest.approx(0.5, abs=0.1)
