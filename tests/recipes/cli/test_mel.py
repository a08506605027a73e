"""`ondes mel`, and features of other programs in `ondes synth`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import vocoders
from recipes.data import mels as mel_files
from recipes.data import samples
from vocoders.core.audio import audio_info, read_audio
from vocoders.frontends.convention_presets import MEL_CONVENTIONS, find_convention

SPEECH = Path(vocoders.__file__).parent / "examples" / "speech.flac"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def mels(ondes) -> Path:
    """Extract the mel of speech in the conventions hifigan_22k and espnet_24k; the folder of the first."""
    Path("audio").mkdir()
    shutil.copy(SPEECH, "audio/speech.flac")
    for name in ("hifigan_22k", "espnet_24k"):
        run = ondes("mel", "extract", "audio", "-o", name, "--mel", name)
        assert run.code == 0, run.err
    return Path("hifigan_22k")


def test_conventions_are_listed_and_a_shown_one_is_a_file(ondes, tmp_path: Path) -> None:
    listed = [json.loads(line)["name"] for line in ondes("mel", "list", "--json").out.splitlines()]
    assert listed == list(MEL_CONVENTIONS)
    for name in ("tacotron_16k", "matcha_ljspeech"):
        (tmp_path / "mine.yaml").write_text(ondes("mel", "show", name).out)
        assert find_convention(tmp_path / "mine.yaml") == MEL_CONVENTIONS[name]
    run = ondes("mel", "show", "hifigan_22")
    assert run.code == 2
    assert "hifigan_22k" in run.err


def test_extracted_mels_are_those_of_the_convention(ondes, mels: Path) -> None:
    features = np.load(mels / "speech.npy")
    assert features.shape[0] == 80
    assert abs(features.shape[1] * 256 / 22050 - audio_info(SPEECH).duration) < 0.05
    assert np.load("espnet_24k/speech.npy").shape[1] == 80
    run = ondes("mel", "extract", "audio", "-o", mels, "--mel", "hifigan_22k")
    assert run.code == 2
    assert "--force" in run.err


@pytest.mark.parametrize("name", ["vocos_24k", "espnet_24k"])
def test_features_in_parts_are_those_of_the_whole(ondes, tmp_path: Path, monkeypatch, name: str) -> None:
    convention = find_convention(name)
    whole = convention.analyze(read_audio(SPEECH, convention.mel.sample_rate, mono=True)[0])[0].numpy()
    monkeypatch.setattr(samples, "_LONG_SECONDS", 0.1)
    monkeypatch.setattr(mel_files, "_PART_FRAMES", 50)
    assert ondes("mel", "extract", SPEECH, "-o", tmp_path, "--mel", name).code == 0
    np.testing.assert_allclose(np.load("speech.npy"), whole, atol=2e-3)


def test_mels_of_other_programs_become_audio(ondes, mels: Path) -> None:
    run = ondes(
        "synth", "espnet_24k", "-o", "out", "-m", "mel-inversion", "--mel-refinement", "2", "--mel", "espnet_24k"
    )
    assert run.code == 0, run.err
    assert audio_info("out/speech.wav").duration == pytest.approx(audio_info(SPEECH).duration, abs=0.05)
    # A baseline has the rate of the features.
    run = ondes("synth", mels, "-o", "own", "-m", "griffin-lim", "--iterations", "1", "--mel", "hifigan_22k")
    assert run.code == 0, run.err
    assert audio_info("own/speech.wav").sample_rate == 22050


def test_normalised_mels_need_their_statistics(ondes, mels: Path) -> None:
    features = np.load(mels / "speech.npy")
    mean, std = features.mean(axis=1), features.std(axis=1)
    Path("z").mkdir()
    np.save("z/speech.npy", (features - mean[:, None]) / std[:, None])
    np.savez("stats.npz", mean=mean, std=std)
    np.savez("short.npz", mean=mean[:40], std=std[:40])
    how = ["-m", "griffin-lim", "--iterations", "1", "--mel", "hifigan_22k"]
    run = ondes("synth", "z", "-o", "out", *how)
    assert run.code == 1
    assert "--mel-statistics" in run.err
    assert ondes("synth", "z", "-o", "out", *how, "--mel-statistics", "stats.npz").code == 0
    run = ondes("synth", "z", "-o", "other", *how, "--mel-statistics", "short.npz")
    assert run.code == 2
    assert "40 bands" in run.err
    assert ondes("synth", "z", "-o", "forced", *how, "--force-features").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--mel", "hifigan"], "hifigan_22k"),
        (["--mel", "none.yaml"], "none.yaml"),
        (["--mel-statistics", "stats.npz"], "--mel"),
        (["--mel", "hifigan_22k", "--beyond", "noise"], "silence"),
        (["--mel", "hifigan_22k", "--f0-unit", "mels"], "semitones"),
    ],
)
def test_misuse_is_one_line(ondes, arguments: list[str], words: str) -> None:
    np.save("x.npy", np.zeros((80, 20), dtype=np.float32))
    run = ondes("synth", "x.npy", "-o", "y.wav", "-m", "griffin-lim", *arguments)
    assert (run.code, run.err.count("\n")) == (2, 1), run.err
    assert words in run.err


def test_a_dump_folder_is_read_by_its_tables_in_whatever_depth(tmp_path: Path) -> None:
    kaldiio = pytest.importorskip("kaldiio")
    from recipes.cli.inputs import find_inputs

    dump, values = tmp_path / "dump", {"one": np.zeros((9, 80), np.float32), "two": np.ones((8, 80), np.float32)}
    for part in ("raw/train", "raw/dev"):
        (dump / part).mkdir(parents=True)
        kaldiio.save_ark(str(dump / part / "feats.1.ark"), values, scp=str(dump / part / "feats.scp"))
    kaldiio.save_ark(str(dump / "lone.ark"), values)
    np.save(dump / "three.npy", values["one"])
    found = find_inputs([str(dump)])
    names = ["raw/dev/one", "raw/dev/two", "raw/train/one", "raw/train/two", "one", "two", "three"]
    assert [item.name.as_posix() for item in found] == names
    assert all(item.is_features for item in found)


def test_comparison_tells_smooth_mels(ondes, mels: Path) -> None:
    features = np.load(mels / "speech.npy")
    Path("smooth").mkdir()
    kernel = np.ones(9) / 9
    np.save("smooth/speech.npy", np.apply_along_axis(np.convolve, 1, features, kernel, mode="same"))
    run = ondes("mel", "compare", "smooth", mels, "--mel", "hifigan_22k", "--json")
    assert run.code == 0, run.err
    found = json.loads(run.out.splitlines()[-1])
    assert found["deviation_ratio"] < 0.95
    assert abs(found["level_db"]) < 1
    same = json.loads(ondes("mel", "compare", mels, mels, "--mel", "hifigan_22k", "--json").out.splitlines()[-1])
    assert (same["deviation_ratio"], same["level_db"], same["error_db"]) == (1, 0, 0)
    np.save("smooth/speech.npy", features[:, : features.shape[1] // 2])
    run = ondes("mel", "compare", "smooth", mels, "--mel", "hifigan_22k")
    assert run.code == 2
    assert "frames" in run.err


def test_envelope_is_measured_from_a_data_directory(ondes, tmp_path: Path) -> None:
    Path("data").mkdir()
    Path("data/wav.scp").write_text(f"one {SPEECH}\n")
    Path("data/utt2spk").write_text("one someone\n")
    run = ondes("mel", "envelope", "--data", "data", "-o", "envelope.safetensors")
    assert run.code == 0, run.err
    assert Path("envelope.safetensors").stat().st_size > 40000


def test_detected_convention_is_a_file_for_mel(ondes, mels: Path) -> None:
    features = np.load(mels / "speech.npy")
    np.save("unit.npy", (features - features.min()) / np.ptp(features))
    run = ondes("mel", "detect", "unit.npy", "--audio", SPEECH, "-o", "mine.yaml")
    assert run.code == 0, run.err
    assert find_convention("mine.yaml").mel.sample_rate == 22050
    run = ondes("synth", "unit.npy", "-o", "x.wav", "-m", "griffin-lim", "--iterations", "1", "--mel", "mine.yaml")
    assert run.code == 0, run.err
    assert ondes("mel", "detect", "unit.npy", "--audio", SPEECH, "-o", "mine.yaml").code == 2
    run = ondes("mel", "detect", mels / "speech.npy")
    assert "hifigan_22k" in run.out


def test_what_cannot_be_detected_is_one_line_and_no_file(ondes, mels: Path) -> None:
    features = np.load(mels / "speech.npy")
    np.save("other.npy", features[:, ::-1])
    np.save("nan.npy", np.where(features > 0, np.nan, features))
    Path("empty.npy").touch()
    Path("text.npy").write_text("mel")
    for name in ("other.npy", "nan.npy", "empty.npy", "text.npy", "missing.npy"):
        run = ondes("mel", "detect", name, "--audio", SPEECH, "-o", "mine.yaml")
        assert run.code in (1, 2), name
        assert (run.err.count("\n"), run.out) == (1, ""), name
        assert name in run.err
    run = ondes("mel", "detect", mels / "speech.npy", "-o", "mine.yaml")
    assert run.code == 2
    assert not Path("mine.yaml").exists()
