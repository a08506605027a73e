"""Which file is compared with which."""

from pathlib import Path

import pytest

from recipes.metrics.pairing import Clip, find_clips, find_pairs
from vocoders.core.errors import DataError


@pytest.fixture
def make_files(tmp_path):
    """Function that makes empty files below ``tmp_path``; pairing reads names only."""

    def make(folder: str, *names: str) -> Path:
        for name in names:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / folder

    return make


def test_the_relative_path_pairs_across_suffixes(make_files):
    reference = make_files("ref", "a/1.flac", "b/1.flac", "b/text.txt", "b/.hidden.wav")
    pairing = find_pairs(reference, make_files("gen", "a/1.wav", "b/1.WAV", "c/1.wav"), "x")
    found = [(pair.system, pair.utt_id, pair.generated.path.name) for pair in pairing.pairs]
    assert found == [("x", "a/1", "1.wav"), ("x", "b/1", "1.WAV")]
    assert pairing.missing == ()
    assert pairing.surplus == ("c/1",)


def test_a_flat_folder_pairs_with_a_corpus_by_stem(make_files):
    reference = make_files("ref", "s1/c/utt_1.flac", "s2/c/utt_2.flac", "s2/c/utt_3.flac")
    pairing = find_pairs(reference, make_files("gen", "utt_1.wav", "utt_2.wav"), "x")
    found = [(pair.utt_id, pair.generated.path.stem) for pair in pairing.pairs]
    assert found == [("s1/c/utt_1", "utt_1"), ("s2/c/utt_2", "utt_2")]
    assert pairing.missing == ("s2/c/utt_3",)


def test_an_ambiguous_stem_is_never_guessed(make_files):
    reference = make_files("ref", "s1/1.wav", "s2/1.wav", "s3/2.wav")
    pairing = find_pairs(reference, make_files("gen", "1.wav", "2.wav"), "x")
    assert [p.utt_id for p in pairing.pairs] == ["s3/2"]
    assert pairing.missing == ("s1/1", "s2/1")
    assert pairing.surplus == ("1",)


def test_names_that_do_not_pair_are_named(make_files):
    with pytest.raises(DataError, match="'y'.* 'x'"):
        find_pairs(make_files("ref", "x.wav"), make_files("gen", "y.wav"), "s")


def test_scp_paths_count_from_the_working_directory_or_from_the_scp(make_files, tmp_path, monkeypatch):
    folder = make_files("ref", "one.wav", "two.wav")
    scp = folder / "list.scp"
    scp.write_text(f"u1 one.wav\n\nu2 {folder}/two.wav\n")
    assert find_clips(scp) == {"u1": Clip(folder / "one.wav"), "u2": Clip(folder / "two.wav")}
    monkeypatch.chdir(folder)
    assert find_clips(scp)["u1"] == Clip(Path("one.wav"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_an_scp_of_an_editor_is_read(make_files, encoding):
    folder = make_files("ref", "é.wav")
    (folder / "list.scp").write_bytes("u1\té.wav\r\n".encode(encoding))
    assert find_clips(folder / "list.scp") == {"u1": Clip(folder / "é.wav")}


def test_a_data_directory_gives_its_segments(make_files, tmp_path):
    folder = make_files("data", "rec.wav")
    (folder / "wav.scp").write_text(f"rec {folder}/rec.wav\n")
    (folder / "segments").write_text("u1 rec 0.5 1.25\n")
    (folder / "utt2spk").write_text("u1 s\n")
    assert find_clips(folder) == {"u1": Clip(folder / "rec.wav", 0.5, 0.75)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("u1 a.wav\nu1 b.wav\n", "line 2: 'u1' occurs twice"),
        ("u1 sox a.wav |\n", "are not run"),
        ("\n", "no line"),
    ],
)
def test_a_bad_scp_is_refused(tmp_path, content, message):
    (tmp_path / "wav.scp").write_text(content)
    with pytest.raises(DataError, match=message):
        find_clips(tmp_path / "wav.scp")


def test_sources_without_audio_are_refused(make_files, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        find_clips(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no audio"):
        find_clips(make_files("texts", "a.txt"))
    with pytest.raises(DataError, match="have one name"):
        find_clips(make_files("twice", "a.wav", "a.flac"))
