"""Kaldi data directories: round trip, validation, idempotence, kill-safe writes."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.data import text_files
from recipes.data.kaldi import KaldiDirectory, Utterance
from vocoders.core.errors import DataError

FILES = ("wav.scp", "utt2spk", "spk2utt", "utt2dur", "text", "segments")
NAMES = st.text("abcXYZ019_-.é", min_size=1, max_size=8).filter(lambda name: not name.startswith("."))


def test_read_gives_back_what_was_written(data_dir: Path, tmp_path: Path) -> None:
    first = KaldiDirectory.read(data_dir)
    second = KaldiDirectory.write(tmp_path / "copy", reversed(first.utterances))
    assert KaldiDirectory.read(tmp_path / "copy").utterances == first.utterances == second.utterances
    assert len(first) == 8
    assert first.speakers == ("ann", "bob", "eve")


@settings(max_examples=40, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=6, unique=True), texts=st.data())
def test_round_trip_of_any_ids_and_texts(tmp_path_factory: pytest.TempPathFactory, names: list[str], texts) -> None:
    folder = tmp_path_factory.mktemp("kaldi")
    words = st.one_of(st.none(), st.text(max_size=12).map(lambda text: " ".join(text.replace("\0", "").split())))
    utterances = [
        Utterance(name, Path("/a folder") / f"{name} 1.wav", name[::-1].strip(), duration=1.5, text=texts.draw(words))
        for name in names
    ]
    KaldiDirectory.write(folder, utterances)
    found = KaldiDirectory.read(folder, check_files=False)
    assert found.utterances == tuple(sorted(utterances, key=lambda utterance: utterance.utt_id.encode()))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_every_encoding_and_line_end_reads_the_same(tmp_path: Path, encoding: str, end: str) -> None:
    (tmp_path / "é.wav").touch()
    parts = [
        Utterance(f"ü{n}", tmp_path / "é.wav", "Zoë", start=0.5 * n, duration=1.25, text="naïve", recording="é")
        for n in range(3)
    ]
    expected = KaldiDirectory.write(tmp_path / "data", parts).utterances
    for name in FILES:
        path = tmp_path / "data" / name
        if path.exists():
            text = path.read_text()
            # Times as spreadsheets of many countries write them.
            text = text.replace(".", ",") if name in ("segments", "utt2dur") else text
            path.write_bytes(text.replace("\n", end).encode(encoding))
    assert KaldiDirectory.read(tmp_path / "data").utterances == expected


def test_segments_round_trip(tmp_path: Path) -> None:
    (tmp_path / "long.wav").touch()
    parts = [
        Utterance(f"u{n}", tmp_path / "long.wav", "s", start=0.5 * n, duration=0.25 + n, text=None, recording="long")
        for n in range(3)
    ]
    KaldiDirectory.write(tmp_path / "data", parts)
    assert (tmp_path / "data" / "wav.scp").read_text() == f"long {tmp_path / 'long.wav'}\n"
    assert KaldiDirectory.read(tmp_path / "data").utterances == tuple(parts)


def test_durations_come_from_headers_without_utt2dur(data_dir: Path) -> None:
    expected = KaldiDirectory.read(data_dir)
    (data_dir / "utt2dur").unlink()
    found = KaldiDirectory.read(data_dir)
    assert [u.duration for u in found] == pytest.approx([u.duration for u in expected], abs=1e-6)


def test_relative_paths_count_from_the_working_directory_then_from_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    for name in ("here.wav", "data/there.wav", "both.wav", "data/both.wav"):
        (tmp_path / name).touch()
    (tmp_path / "data" / "wav.scp").write_text("both both.wav\nhere here.wav\nthere there.wav\n")
    (tmp_path / "data" / "utt2spk").write_text("both s\nhere s\nthere s\n")
    (tmp_path / "data" / "utt2dur").write_text("both 1\nhere 1\nthere 1\n")
    monkeypatch.chdir(tmp_path)
    paths = [str(u.path) for u in KaldiDirectory.read("data")]
    assert paths == ["both.wav", "here.wav", os.path.join("data", "there.wav")]


def test_writing_again_touches_nothing(data_dir: Path) -> None:
    before = {name: (data_dir / name).stat() for name in FILES if (data_dir / name).exists()}
    KaldiDirectory.write(data_dir, KaldiDirectory.read(data_dir))
    after = {name: (data_dir / name).stat() for name in FILES if (data_dir / name).exists()}
    assert {n: (s.st_mtime_ns, s.st_ino) for n, s in before.items()} == {
        n: (s.st_mtime_ns, s.st_ino) for n, s in after.items()
    }


def test_a_stale_optional_file_goes(data_dir: Path) -> None:
    (data_dir / "text").write_text("stale line\n")
    KaldiDirectory.write(data_dir, [Utterance("a", Path("/a.wav"), "s", duration=1.0)])
    assert not (data_dir / "text").exists()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("wav.scp", None, ["wav.scp", "not there"]),
        ("utt2spk", None, ["utt2spk", "not there"]),
        ("wav.scp", "a a.wav\na b.wav\n", ["line 2", "'a'", "twice"]),
        ("wav.scp", "b a.wav\na b.wav\n", ["line 2", "LC_ALL=C"]),
        ("wav.scp", "a a.wav\nb sox x.sph -t wav - |\n", ["'b'", "command", "sox x.sph"]),
        ("wav.scp", "a a.wav\nb\n", ["line 2", "single field"]),
        ("wav.scp", "a a.wav\nb gone.wav\n", ["gone.wav", "no such audio file"]),
        ("wav.scp", "", ["utt2spk", "'a', 'b'"]),
        ("utt2spk", "a s\n", ["utt2spk", "lacks 'b'"]),
        ("utt2spk", "a s\nb s\nc s\n", ["'c'", "wav.scp"]),
        ("utt2spk", "a s\nb s t\n", ["'s t'", "one word"]),
        ("spk2utt", "s a\n", ["spk2utt", "'s'", "utt2spk"]),
        ("utt2dur", "a 1.0\n", ["utt2dur", "lacks 'b'"]),
        ("utt2dur", "a 1.0\nb long\n", ["'b'", "'long'", "seconds"]),
        ("utt2dur", "a 1.0\nb nan\n", ["'b'", "'nan'"]),
        ("text", "c hello\n", ["text", "'c'"]),
        ("segments", "a a 0 1\nb zzz 0 1\n", ["segments", "'zzz'", "wav.scp lacks"]),
        ("segments", "a a 0 1\nb b 2 1\n", ["'b'", "not after its start"]),
        ("segments", "a a 0 1\nb b 1\n", ["utterance, recording, start and end"]),
        ("utt2spk", b"a s\nb \x00\xff\n", ["utt2spk", "UTF-8"]),
    ],
)
def test_bad_directories_say_where_and_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: str | bytes | None, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.wav", "b.wav"):
        Path(name).touch()
    good = {"wav.scp": "a a.wav\nb b.wav\n", "utt2spk": "a s\nb s\n", "spk2utt": "s a b\n", "utt2dur": "a 1\nb 2\n"}
    for name, text in good.items():
        Path(name).write_text(text)
    assert len(KaldiDirectory.read(".")) == 2
    if content is None:
        Path(file).unlink()
    else:
        Path(file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        KaldiDirectory.read(".")
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("utt_id", ["", "a b", "../a", "a/b", ".hidden", "a\nb"])
def test_ids_that_cannot_be_file_names_are_refused(tmp_path: Path, utt_id: str) -> None:
    with pytest.raises(DataError, match="white space"):
        KaldiDirectory.write(tmp_path / "data", [Utterance(utt_id, Path("/a.wav"), "s", duration=1.0)])
    assert not (tmp_path / "data").exists()


def test_duplicates_and_emptiness_are_refused(tmp_path: Path) -> None:
    utterance = Utterance("a", Path("/a.wav"), "s", duration=1.0)
    with pytest.raises(DataError, match="twice"):
        KaldiDirectory.write(tmp_path, [utterance, utterance])
    with pytest.raises(DataError, match="no utterance"):
        KaldiDirectory.write(tmp_path, [])
    with pytest.raises(DataError, match="ondes prepare"):
        KaldiDirectory.read(tmp_path / "nothing")


def test_subset(data_dir: Path) -> None:
    directory = KaldiDirectory.read(data_dir)
    assert {u.speaker for u in directory.subset(speakers=["bob", "ann"])} == {"ann", "bob"}
    assert [u.utt_id for u in directory.subset(utt_ids=["eve-take3", "eve-take1"])] == ["eve-take1", "eve-take3"]
    assert len(directory.subset(count=3)) == 3
    assert all(0.7 <= u.duration <= 1.0 for u in directory.subset(min_duration=0.7, max_duration=1.0))
    with pytest.raises(DataError, match="no speaker 'zoe'"):
        directory.subset(speakers=["zoe"])


class _Killed(BaseException):
    pass


def test_death_while_writing_leaves_the_old_directory(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: (data_dir / name).read_text() for name in FILES if (data_dir / name).exists()}
    original = Path.write_bytes
    written: list[Path] = []

    def dying(self: Path, content: bytes) -> int:
        if len(written) == 2:
            original(self, content[: len(content) // 2])
            raise _Killed
        written.append(self)
        return original(self, content)

    monkeypatch.setattr(text_files.Path, "write_bytes", dying)
    shorter = KaldiDirectory.read(data_dir).subset(count=3)
    with pytest.raises(_Killed):
        KaldiDirectory.write(data_dir, shorter)
    monkeypatch.undo()
    assert {name: (data_dir / name).read_text() for name in FILES if (data_dir / name).exists()} == before
    assert len(KaldiDirectory.read(data_dir)) == 8


def test_a_full_disk_is_one_line_and_loses_nothing(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(text_files.Path, "write_bytes", full)
    with pytest.raises(DataError, match="No space left on device"):
        KaldiDirectory.write(data_dir, KaldiDirectory.read(data_dir).subset(count=3))
    monkeypatch.undo()
    assert len(KaldiDirectory.read(data_dir)) == 8
