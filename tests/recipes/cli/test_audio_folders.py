"""What commands make of folders that hold audio of every kind: all of it is taken, failed or named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vocoders.core.audio import audio_info

RATE = 24000
DIRECT = ("a.wav", "b.aif", "c.aiff", "d.au", "e.caf", "f.w64", "g.opus", "h.oga", "i.mp3", "deep/j.flac")
STRANGE = ("m.m4a", "n.webm", "o.wma")


@pytest.fixture
def mixed(tiny: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with audio that libsndfile reads and audio that it does not, on a machine without ffmpeg."""
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "ffmpeg" else which(name))
    folder = Path("in")
    (folder / "deep").mkdir(parents=True)
    sound = 0.3 * np.sin(np.arange(RATE) / 9)
    kinds = {".opus": ("OGG", "OPUS"), ".oga": ("OGG", "VORBIS"), ".aif": ("AIFF", None)}
    for name in DIRECT:
        container, subtype = kinds.get(Path(name).suffix, (None, None))
        soundfile.write(folder / name, sound, RATE, subtype, format=container)
    for name in STRANGE:
        (folder / name).write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(200))
    (folder / "notes.txt").write_text("not audio")
    return folder


def files_below(folder: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", [["synth"], ["effect", "--processor", "gain"]])
def test_a_folder_is_taken_whole_and_the_rest_is_named(ondes, mixed: Path, command: list[str]) -> None:
    run = ondes(*command, "in", "-o", "out")
    assert run.code == 1
    assert {Path(name).stem for name in files_below("out")} == {Path(name).stem for name in DIRECT}
    for name in STRANGE:
        assert f"error: in/{name}" in run.err
    assert "3 audio files" in run.err
    assert "1 file left out" in run.err
    assert "3 of 13 files failed" in run.err


def test_effect_keeps_the_formats_that_hold_any_rate(ondes, mixed: Path) -> None:
    ondes("effect", "--processor", "gain", "in", "-o", "out")
    assert files_below("out") == {
        *("a.wav", "b.aif", "c.aiff", "d.au", "e.caf", "f.w64", "g.wav", "h.oga", "i.wav", "deep/j.flac")
    }
    for name in ("b.aif", "e.caf", "f.w64"):
        assert audio_info(f"out/{name}") == audio_info(f"in/{name}")


def test_a_file_that_cannot_be_read_takes_no_name(ondes, mixed: Path) -> None:
    (mixed / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    for name in STRANGE:
        (mixed / name).unlink()
    run = ondes("synth", "in", "-o", "out")
    assert run.code == 0, run.err
    assert "a.m4a" in run.err
    assert len(files_below("out")) == len(DIRECT)


@pytest.mark.parametrize("source", ["in/m.m4a", "in/*.m4a", "list.scp"])
def test_a_file_that_was_asked_for_and_cannot_be_read_is_a_failure(ondes, mixed: Path, source: str) -> None:
    Path("list.scp").write_text("x in/m.m4a\n")
    run = ondes("synth", source, "-o", "out")
    assert run.code == 1
    assert "ffmpeg" in run.err
    assert not Path("out").exists()


def test_evaluate_counts_what_it_cannot_read(ondes, mixed: Path) -> None:
    shutil.copytree("in", "gen")
    run = ondes("evaluate", "audio", "--ref", "in", "--gen", "gen", "--metrics", "mae")
    assert run.code == 1
    assert all(f"failed: gen {Path(name).stem}" in run.err for name in STRANGE)
    assert "| gen | 10 |" in run.out


def test_prepare_lists_what_it_leaves_out(ondes, mixed: Path) -> None:
    run = ondes("prepare", "folder", "in", "data")
    assert run.code == 0, run.err
    lines = Path("data/skipped.tsv").read_text().splitlines()[1:]
    assert {Path(line.split("\t")[0]).name for line in lines} == set(STRANGE)
    assert all("ffmpeg" in line.split("\t")[1] for line in lines)
    assert len(Path("data/wav.scp").read_text().splitlines()) == len(DIRECT)


def test_formats_are_written_by_their_suffix(ondes, mixed: Path) -> None:
    for suffix, container in ((".mp3", "MP3"), (".opus", "OGG"), (".aiff", "AIFF"), (".w64", "W64"), (".caf", "CAF")):
        run = ondes("synth", "in/a.wav", "-o", f"y{suffix}")
        assert run.code == 0, run.err
        assert audio_info(f"y{suffix}").format == container
    assert ondes("synth", "in/a.wav", "-o", "y.m4a").code == 2


@pytest.mark.parametrize("command", [["synth"], ["effect", "--processor", "gain"]])
def test_a_truncated_file_is_told_once(ondes, mixed: Path, command: list[str]) -> None:
    content = (mixed / "a.wav").read_bytes()
    (mixed / "a.wav").write_bytes(content[: len(content) // 2])
    run = ondes(*command, "in/a.wav", "-o", "out")
    assert run.code == 0
    assert run.err.count("truncated") == 1
