"""Corpus layouts, the check of every file, the skip report, splits."""

import logging
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recipes.data.checking import check_audio
from recipes.data.corpora import find_folder, find_libritts, find_ljspeech, find_vctk
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.preparation import prepare, split
from vocoders.core.errors import ConfigError, DataError
from vocoders.core.tables import read_table

Tone = Callable[..., np.ndarray]
RATE = 16000


def cut(path: Path, fraction: float = 0.6) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])


@pytest.fixture
def bad_files(corpus: Path, make_tone: Tone) -> dict[str, str]:
    """Add one file of every kind of damage; give the word that must appear in its reason."""
    folder = corpus / "bad"
    folder.mkdir()
    sound = make_tone(1.0)
    for name, subtype in (
        ("cut.wav", "PCM_16"), ("cut.flac", "PCM_16"), ("cut_float.wav", "FLOAT"), ("cut.aiff", "PCM_16")
    ):  # fmt: skip
        soundfile.write(folder / name, sound, RATE, subtype=subtype)
        cut(folder / name)
    soundfile.write(folder / "cut.ogg", sound, RATE)
    cut(folder / "cut.ogg")
    soundfile.write(folder / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(folder / "hiss.wav", 5e-5 * np.sign(sound), RATE, subtype="FLOAT")
    soundfile.write(folder / "short.wav", sound[:3], RATE)
    soundfile.write(folder / "none.wav", sound[:0], RATE)
    sound[500] = np.nan
    soundfile.write(folder / "nan.wav", sound, RATE, subtype="FLOAT")
    sound[500] = np.inf
    soundfile.write(folder / "inf.wav", sound, RATE, subtype="FLOAT")
    (folder / "text.wav").write_text("this is a text file\n")
    (folder / "empty.wav").touch()
    (folder / "dangling.wav").symlink_to(folder / "nowhere.wav")
    return {
        "cut.wav": "truncated", "cut.flac": "truncated", "cut_float.wav": "truncated", "cut.aiff": "truncated",
        "cut.ogg": "truncated", "silent.wav": "silent", "hiss.wav": "silent", "short.wav": "too short",
        "none.wav": "0 samples", "nan.wav": "NaN", "inf.wav": "infinite", "text.wav": "not audio",
        "empty.wav": "empty", "dangling.wav": "no such file",
    }  # fmt: skip


def test_bad_files_are_skipped_counted_and_listed(
    corpus: Path, tmp_path: Path, bad_files: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        found = prepare(find_folder(corpus), tmp_path / "data")
    assert len(KaldiDirectory.read(tmp_path / "data")) == 8
    lines = (tmp_path / "data" / "skipped.tsv").read_text().splitlines()
    assert lines[0] == "path\treason"
    reasons = dict(line.split("\t") for line in lines[1:])
    assert {Path(path).name for path in reasons} == set(bad_files)
    for path, reason in reasons.items():
        assert bad_files[Path(path).name] in reason
    assert tuple(reasons.items()) == found.skipped
    assert f"skipped {len(bad_files)} files" in caplog.text


def test_header_check_alone_still_finds_what_headers_show(corpus: Path, tmp_path: Path, bad_files: dict) -> None:
    found = prepare(find_folder(corpus), tmp_path / "data", decode=False)
    assert {Path(path).name for path, _ in found.skipped} >= {"cut.wav", "text.wav", "empty.wav", "short.wav"}


def test_streamed_wav_with_placeholder_length_is_whole(tmp_path: Path, make_tone: Tone) -> None:
    path = tmp_path / "piped.wav"
    soundfile.write(path, make_tone(1.0), RATE, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    found = check_audio(path)
    assert (found.problem, found.duration) == ("", 1.0)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_good_files_of_every_format_pass(tmp_path: Path, make_tone: Tone, suffix: str) -> None:
    soundfile.write(tmp_path / f"a.{suffix}", np.stack([make_tone(1.0), make_tone(1.0, seed=1)], 1), RATE)
    found = check_audio(tmp_path / f"a.{suffix}")
    assert found.problem == ""
    assert (found.sample_rate, found.channels) == (RATE, 2)
    assert found.duration == pytest.approx(1.0, abs=0.1)


def test_nothing_left_is_an_error_and_still_a_report(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.wav").write_text("text")
    with pytest.raises(DataError, match=r"1 .*: 1 not audio.*skipped\.tsv"):
        prepare(find_folder(tmp_path / "corpus"), tmp_path / "data")
    assert "a.wav" in (tmp_path / "data" / "skipped.tsv").read_text()


def test_preparing_again_changes_no_file(corpus: Path, tmp_path: Path, bad_files: dict) -> None:
    data = tmp_path / "data"
    prepare(find_folder(corpus), data)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in data.iterdir()}
    prepare(find_folder(corpus), data)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in data.iterdir()} == before


def test_several_processes_give_the_same_directory(corpus: Path, tmp_path: Path, bad_files: dict) -> None:
    for nj in (1, 2):
        prepare(find_folder(corpus), tmp_path / f"data{nj}", nj=nj)
    names = sorted(path.name for path in (tmp_path / "data1").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "data2").iterdir())
    for name in names:
        assert (tmp_path / "data1" / name).read_bytes() == (tmp_path / "data2" / name).read_bytes()


def test_bad_number_of_processes(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nj is 0"):
        prepare(find_folder(corpus), tmp_path / "data", nj=0)


def test_folder_ids_speakers_and_odd_names(tmp_path: Path, make_tone: Tone) -> None:
    root = tmp_path / "corpus"
    (root / "a b" / "deep er").mkdir(parents=True)
    (root / ".hidden").mkdir()
    (root / "loop").symlink_to(root)
    names = ["top.WAV", "a b/deep er/x y.wav", "a b/same.wav", "a b/same.flac", ".hidden/no.wav", "a b/._apple.wav"]
    for name in names:
        soundfile.write(root / name, make_tone(0.5), RATE, format="FLAC" if name.endswith("flac") else "WAV")
    (root / "a b" / "same.txt").write_text(" two\nwords ")
    found = {str(u.path.relative_to(root)): u for u in find_folder(root)}
    assert set(found) == set(names[:4])
    assert (found["top.WAV"].utt_id, found["top.WAV"].speaker) == ("top", "unknown")
    assert found["a b/deep er/x y.wav"].utt_id == "a_b-deep_er-x_y"
    assert found["a b/same.wav"].speaker == "a_b"
    assert found["a b/same.wav"].text == "two words"
    assert found["a b/same.wav"].utt_id != found["a b/same.flac"].utt_id
    prepare(list(found.values()), tmp_path / "data")
    assert {u.path for u in KaldiDirectory.read(tmp_path / "data")} == {root / name for name in names[:4]}


def test_names_that_a_manifest_cannot_hold_are_skipped(tmp_path: Path, make_tone: Tone) -> None:
    root = tmp_path / "corpus"
    root.mkdir()
    for name in (b"good.wav", b"line\nbreak.wav", b"latin\xe9.wav"):
        with open(bytes(root) + b"/" + name, "wb") as file:
            soundfile.write(file, make_tone(0.5), RATE, format="WAV")
    found = prepare(find_folder(root), tmp_path / "data")
    assert [u.utt_id for u in KaldiDirectory.read(tmp_path / "data")] == ["good"]
    assert len(found.skipped) == 2
    assert all("rename it" in reason for _, reason in found.skipped)
    assert len((tmp_path / "data" / "skipped.tsv").read_text().splitlines()) == 3
    table = read_table(tmp_path / "data" / "skipped.tsv", "table", "files")
    assert [row.cells["reason"] for row in table.rows] == [reason for _, reason in found.skipped]
    assert f"{root}/linebreak.wav" in [row.cells["path"] for row in table.rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_texts_are_read_in_any_encoding(
    tmp_path: Path, make_tone: Tone, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "wavs").mkdir()
    for name in ("a", "b"):
        soundfile.write(tmp_path / "wavs" / f"{name}.wav", make_tone(0.5), RATE)
    (tmp_path / "wavs" / "a.txt").write_bytes("Zoë\rlacht".encode(encoding))
    (tmp_path / "wavs" / "b.txt").write_bytes(b"a\x00\xff")
    (tmp_path / "metadata.csv").write_bytes('a|x|"Zoë" lacht\r\nb|naïve\r\n'.encode(encoding))
    assert [u.text for u in find_ljspeech(tmp_path)] == ['"Zoë" lacht', "naïve"]
    caplog.clear()
    assert [u.text for u in find_folder(tmp_path / "wavs")] == ["Zoë lacht", None]
    assert "b.txt" in caplog.messages[-1]


def test_libritts_layout(tmp_path: Path, make_tone: Tone) -> None:
    for name in ("train/12/7/12_7_0001.wav", "train/12/7/12_7_0002.flac", "dev/34/8/34_8_0001.wav", "dev/stray.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, make_tone(0.5), RATE)
    (tmp_path / "train/12/7/12_7_0001.normalized.txt").write_text("Hello there.\n")
    assert {u.utt_id for u in find_libritts(tmp_path)} == {"12_7_0001", "12_7_0002", "34_8_0001"}
    train = {u.utt_id: u for u in find_libritts(tmp_path, ["train"])}
    assert train["12_7_0001"].text == "Hello there."
    assert train["12_7_0002"].text is None
    assert {u.speaker for u in train.values()} == {"12"}
    with pytest.raises(DataError, match="'trian'.* dev, train"):
        find_libritts(tmp_path, ["trian"])
    with pytest.raises(DataError, match="corpus folder"):
        find_libritts(tmp_path / "nowhere")


def test_one_utterance_in_two_formats_counts_once(tmp_path: Path, make_tone: Tone) -> None:
    folder = tmp_path / "corpus" / "train" / "1" / "2"
    folder.mkdir(parents=True)
    for suffix in ("wav", "flac"):
        soundfile.write(folder / f"1_2_3.{suffix}", make_tone(0.5), RATE)
    found = prepare(find_libritts(tmp_path / "corpus"), tmp_path / "data")
    assert [reason for _, reason in found.skipped] == ["second file with the id 1_2_3"]


def test_ljspeech_layout(tmp_path: Path, make_tone: Tone) -> None:
    (tmp_path / "wavs").mkdir()
    soundfile.write(tmp_path / "wavs" / "LJ001-0001.wav", make_tone(0.5), RATE)
    (tmp_path / "metadata.csv").write_text("LJ001-0001|No. 5|Number five\nLJ001-0002|Gone|Gone\n")
    found = prepare(find_ljspeech(tmp_path), tmp_path / "data")
    assert KaldiDirectory.read(tmp_path / "data").utterances[0].text == "Number five"
    assert [reason for _, reason in found.skipped] == ["no such file"]
    (tmp_path / "metadata.csv").write_text("LJ001-0001\n")
    with pytest.raises(DataError, match="line 1"):
        find_ljspeech(tmp_path)
    with pytest.raises(DataError, match="expected metadata.csv"):
        find_ljspeech(tmp_path / "wavs")


@pytest.mark.parametrize(
    ("files", "microphone", "expected"),
    [
        ([f"wav48_silence_trimmed/p1/p1_001_mic{n}.flac" for n in (1, 2)], "mic2", "_mic2.flac"),
        (["wav48/p1/p1_001.wav"], "mic1", "p1_001.wav"),
    ],
)  # fmt: skip
def test_vctk_layout(tmp_path: Path, make_tone: Tone, files: list[str], microphone: str, expected: str) -> None:
    for name in [*files, "txt/p1/p1_001.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("txt"):
            (tmp_path / name).write_text("Please call Stella.\n")
        else:
            soundfile.write(tmp_path / name, make_tone(0.5), RATE)
    (utterance,) = find_vctk(tmp_path, microphone)
    assert (utterance.utt_id, utterance.speaker, utterance.text) == ("p1_001", "p1", "Please call Stella.")
    assert utterance.path.name.endswith(expected)


@pytest.mark.parametrize("by", ["utterance", "speaker"])
def test_splits_are_disjoint_complete_and_stable(by: str) -> None:
    everyone = [Utterance(f"s{n % 10}-{n:03d}", Path("/a.wav"), f"s{n % 10}", duration=1.0) for n in range(100)]
    parts = split(everyone, 3, 2, by)
    key = (lambda u: u.speaker) if by == "speaker" else (lambda u: u.utt_id)
    groups = {name: {key(u) for u in part} for name, part in parts.items()}
    assert (len(groups["dev"]), len(groups["test"])) == (3, 2)
    assert sum(len(group) for group in groups.values()) == len({key(u) for u in everyone})
    assert sorted(u.utt_id for part in parts.values() for u in part) == sorted(u.utt_id for u in everyone)
    # A tenth of the corpus fewer: nobody that stays changes from one list to train.
    fewer = split([u for u in everyone if not u.utt_id.endswith("7")], 3, 2, by)
    assert {u.utt_id for u in fewer["train"]} <= {u.utt_id for u in parts["train"]}
    with pytest.raises(ConfigError, match="for train"):
        split(everyone, 100, 0, by)


def test_prepare_writes_the_parts_of_a_split(corpus: Path, tmp_path: Path) -> None:
    found = prepare(find_folder(corpus), tmp_path / "data", dev=2, test=1)
    sizes = {name: len(KaldiDirectory.read(tmp_path / "data" / name)) for name in ("train", "dev", "test")}
    assert sizes == {"train": 5, "dev": 2, "test": 1}
    assert set(found.directories) == set(sizes)


def test_mini_libritts(mini_libritts: Path, tmp_path: Path) -> None:
    found = prepare(find_libritts(mini_libritts, ["dev-mini"]), tmp_path / "dev")
    directory = KaldiDirectory.read(tmp_path / "dev")
    assert not found.skipped
    assert len(directory) == len(list((mini_libritts / "dev-mini").rglob("*.flac")))
    assert directory.duration == pytest.approx(118.02, abs=0.05)
    assert all(u.utt_id.startswith(f"{u.speaker}_") for u in directory)
    assert sum(u.text is not None for u in directory) == len(
        list((mini_libritts / "dev-mini").rglob("*.normalized.txt"))
    )


def test_patterns_find_speakers_and_texts(tmp_path: Path, make_tone: Tone) -> None:
    (tmp_path / "seven").mkdir()
    soundfile.write(tmp_path / "seven" / "lucas_12.wav", make_tone(1.0), RATE)
    (found,) = find_folder(tmp_path, speaker_pattern="([a-z]+)_[0-9]+[.]", text_pattern="([a-z]+)/")
    assert (found.utt_id, found.speaker, found.text) == ("seven-lucas_12", "lucas", "seven")
    with pytest.raises(DataError, match="no text"):
        find_folder(tmp_path, text_pattern="([A-Z]+)/")
    for kind in ("speaker", "text"):
        with pytest.raises(ConfigError, match=f"{kind} pattern .* has no group"):
            find_folder(tmp_path, **{f"{kind}_pattern": "[a-z]"})
