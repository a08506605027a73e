"""The feature stage: statistics, F0 cache, fingerprints, resuming."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.data import mels as mel_files
from recipes.data import samples
from recipes.data.cache import F0Cache, f0_fingerprint
from recipes.data.features import extract_features
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.statistics import FeatureStatistics, RunningStatistics
from vocoders.core.audio import read_audio
from vocoders.core.errors import DataError, FilesFailedError
from vocoders.frontends.f0 import F0Config, extract_f0
from vocoders.frontends.mel import LogMel, MelConfig

MEL = MelConfig(sample_rate=16000, n_fft=512, hop_length=160, n_mels=20)
F0 = F0Config(method="dio")


def mels(data_dir: Path, peak: float | None = None) -> torch.Tensor:
    """All log-mels of a data directory in one tensor (n_mels, frames)."""
    parts = []
    for utterance in KaldiDirectory.read(data_dir):
        audio, _ = read_audio(utterance.path)
        audio = audio[:, : audio.shape[-1] // 160 * 160] * (1.0 if peak is None else peak / float(audio.abs().max()))
        parts.append(LogMel(MEL)(audio[None])[0])
    return torch.cat(parts, dim=1).double()


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(1, 199), max_size=6), offset=st.sampled_from([0.0, 1e6]))
def test_merged_parts_equal_the_whole(cuts: list[int], offset: float) -> None:
    values = np.random.default_rng(0).standard_normal((3, 200)) + offset
    total = RunningStatistics()
    for part in np.split(values, sorted(set(cuts)), axis=1):
        total = total.merge(RunningStatistics.of(part, np.abs(part[0])))
    assert total.count == 200
    np.testing.assert_allclose(total.mean, values.mean(1), rtol=1e-12)
    np.testing.assert_allclose(np.sqrt(total.squares / 200), values.std(1), rtol=1e-9)
    assert (total.energy_min, total.energy_max) == (np.abs(values[0]).min(), np.abs(values[0]).max())


@pytest.mark.parametrize("peak", [None, 0.95])
def test_statistics_are_those_of_all_frames(data_dir: Path, tmp_path: Path, peak: float | None) -> None:
    found = extract_features(data_dir, tmp_path / "features", MEL, peak=peak)
    expected = mels(data_dir, peak)
    assert found is not None
    assert found.frames == expected.shape[1]
    np.testing.assert_allclose(found.mean, expected.mean(1), rtol=1e-5)
    np.testing.assert_allclose(found.std, expected.std(1, correction=0), rtol=1e-5)
    # PeriodWave's prior: sqrt of the sum of the linear mel amplitudes.
    energy = expected.exp().sum(0).sqrt()
    assert found.energy_min == pytest.approx(float(energy.min()), rel=1e-5)
    assert found.energy_max == pytest.approx(float(energy.max()), rel=1e-5)
    loaded = FeatureStatistics.load(tmp_path / "features" / "statistics.json", MEL.fingerprint)
    np.testing.assert_array_equal(loaded.mean, found.mean)
    np.testing.assert_array_equal(loaded.std, found.std)
    assert (loaded.fingerprint, loaded.peak, loaded.energy_max) == (MEL.fingerprint, peak, found.energy_max)


def test_a_band_that_never_changes_gets_deviation_one(data_dir: Path, tmp_path: Path) -> None:
    for utterance in KaldiDirectory.read(data_dir):
        samples, rate = soundfile.read(utterance.path)
        spectrum = np.fft.rfft(samples)
        spectrum[len(spectrum) // 2 :] = 0
        soundfile.write(utterance.path, 0.001 * np.fft.irfft(spectrum, len(samples)), rate, subtype="FLOAT")
    found = extract_features(data_dir, tmp_path, MEL.model_copy(update={"floor": 1e-3}))
    assert found is not None
    assert found.std[-1] == 1.0
    assert found.mean[-1] == pytest.approx(np.log(1e-3), rel=1e-5)


def test_cached_f0_is_that_of_the_whole_file(data_dir: Path, tmp_path: Path) -> None:
    extract_features(data_dir, tmp_path, MEL, F0, statistics=False)
    assert not (tmp_path / "statistics.json").exists()
    cache = F0Cache(tmp_path, f0_fingerprint(F0, 16000, 160))
    for utterance in KaldiDirectory.read(data_dir):
        audio, _ = read_audio(utterance.path)
        f0 = cache.get(utterance.utt_id)
        assert f0.shape == (audio.shape[-1] // 160,)
        np.testing.assert_array_equal(f0, extract_f0(audio[0].numpy(), 16000, 160, F0))
    assert np.median(f0[f0 > 0]) == pytest.approx(180 * 1.1, rel=0.25)


def test_several_processes_give_the_same_result(data_dir: Path, tmp_path: Path) -> None:
    results = [extract_features(data_dir, tmp_path / str(nj), MEL, F0, nj=nj) for nj in (1, 2)]
    assert results[0] is not None
    assert results[1] is not None
    np.testing.assert_array_equal(results[0].mean, results[1].mean)
    names = sorted(path.name for path in (tmp_path / "1" / "f0").iterdir())
    assert len(names) == 9
    for name in names:
        assert (tmp_path / "1" / "f0" / name).read_bytes() == (tmp_path / "2" / "f0" / name).read_bytes()


def test_running_again_reads_no_audio_and_resuming_reads_the_rest(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = extract_features(data_dir, tmp_path, MEL, F0)
    read: list[str] = []
    original = samples.read_utterance

    def counting(utterance, *args, **kwargs):
        read.append(utterance.utt_id)
        return original(utterance, *args, **kwargs)

    monkeypatch.setattr(samples, "read_utterance", counting)
    again = extract_features(data_dir, tmp_path, MEL, F0)
    assert not read
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.mean, again.mean)

    (tmp_path / "statistics.json").unlink()
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "f0").iterdir()}
    extract_features(data_dir, tmp_path, MEL, F0)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "f0").iterdir()} == written

    read.clear()
    (tmp_path / "f0" / "bob-take1.npy").unlink()
    (tmp_path / "f0" / "eve-take2.npy").write_bytes(b"half")
    extract_features(data_dir, tmp_path, MEL, F0)
    assert read == ["bob-take1", "eve-take2"]


@pytest.mark.parametrize("rate", [16000, 22050])
def test_long_recordings_are_read_in_parts_with_the_same_result(tmp_path: Path, monkeypatch, rate: int) -> None:
    time = np.arange(3 * rate) / rate
    tone = 0.2 * np.sin(2 * np.pi * 150 * time) + 0.05 * np.random.default_rng(0).standard_normal(len(time))
    soundfile.write(tmp_path / "long.wav", tone, rate)
    directory = KaldiDirectory.write(tmp_path / "data", [Utterance("long", tmp_path / "long.wav", "one", 0.0, 3.0)])
    found = []
    for name in ("whole", "parts"):
        statistics = extract_features(directory, tmp_path / name, MEL, F0, resample=True, peak=0.5)
        mel_files.write_mels(directory, tmp_path / name / "mels", MEL, resample=True, peak=0.5)
        contour = np.load(tmp_path / name / "f0" / "long.npy")
        found.append((statistics.mean, contour, np.load(tmp_path / name / "mels" / "long.npy")))
        monkeypatch.setattr(samples, "_LONG_SECONDS", 0.1)
        monkeypatch.setattr(samples, "_BLOCK", 5000)
        monkeypatch.setattr(mel_files, "_PART_FRAMES", 70)
    assert (found[0][1] > 0).any()
    for whole, parts in zip(*found, strict=True):
        np.testing.assert_allclose(parts, whole, atol=2e-4)


def test_changed_audio_is_done_again(data_dir: Path, tmp_path: Path) -> None:
    first = extract_features(data_dir, tmp_path, MEL, F0)
    utterance = KaldiDirectory.read(data_dir).utterances[3]
    before = (tmp_path / "f0" / f"{utterance.utt_id}.npy").read_bytes()
    samples, rate = soundfile.read(utterance.path)
    soundfile.write(utterance.path, np.zeros_like(samples), rate)
    renewed = extract_features(data_dir, tmp_path, MEL, F0)
    assert (tmp_path / "f0" / f"{utterance.utt_id}.npy").read_bytes() != before
    assert renewed is not None
    assert first is not None
    assert not np.array_equal(renewed.mean, first.mean)


def test_another_front_end_is_refused_with_both_lines_then_forced(data_dir: Path, tmp_path: Path) -> None:
    extract_features(data_dir, tmp_path, MEL, F0)
    other = F0.model_copy(update={"f0_max": 333.0})
    with pytest.raises(DataError) as caught:
        extract_features(data_dir, tmp_path, MEL, other)
    for config in (F0, other):
        assert f0_fingerprint(config, 16000, 160) in str(caught.value)
    assert "--force" in str(caught.value)
    wide = MEL.model_copy(update={"n_mels": 30})
    with pytest.raises(DataError) as caught:
        extract_features(data_dir, tmp_path, wide, F0)
    assert MEL.fingerprint in str(caught.value)
    assert wide.fingerprint in str(caught.value)
    # Nothing was lost by the refusals.
    assert not F0Cache(tmp_path, f0_fingerprint(F0, 16000, 160)).missing(
        u.utt_id for u in KaldiDirectory.read(data_dir)
    )

    forced = extract_features(data_dir, tmp_path, wide, other, force=True)
    assert forced is not None
    assert len(forced.mean) == 30
    F0Cache(tmp_path, f0_fingerprint(other, 16000, 160))
    with pytest.raises(DataError, match="was made with"):
        F0Cache(tmp_path, f0_fingerprint(F0, 16000, 160))


def test_statistics_of_other_data_are_not_overwritten_by_accident(data_dir: Path, tmp_path: Path) -> None:
    features = tmp_path / "features"
    extract_features(data_dir, features, MEL)
    KaldiDirectory.write(tmp_path / "dev", KaldiDirectory.read(data_dir).subset(count=2))
    before = (features / "statistics.json").read_bytes()
    with pytest.raises(DataError, match="--no-statistics"):
        extract_features(tmp_path / "dev", features, MEL)
    with pytest.raises(DataError, match=r"peak \[None\]; expected \[0.95\]"):
        extract_features(data_dir, features, MEL, peak=0.95)
    assert (features / "statistics.json").read_bytes() == before


def test_several_data_directories_share_a_cache(data_dir: Path, tmp_path: Path) -> None:
    everyone = KaldiDirectory.read(data_dir).utterances
    KaldiDirectory.write(tmp_path / "train", everyone[:6])
    KaldiDirectory.write(tmp_path / "dev", everyone[6:])
    extract_features(tmp_path / "train", tmp_path / "features", MEL, F0)
    extract_features(tmp_path / "dev", tmp_path / "features", MEL, F0, statistics=False)
    cache = F0Cache(tmp_path / "features", f0_fingerprint(F0, 16000, 160))
    assert cache.missing(u.utt_id for u in everyone) == []
    assert cache.missing(["eve-take0", "zoe"]) == ["zoe"]


def test_death_in_the_middle_leaves_whole_files_only(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    original, calls = np.save, []

    def dying(file, array, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            file.write(b"\x93NUMPY half a file")
            raise Killed
        original(file, array, **kwargs)

    monkeypatch.setattr(np, "save", dying)
    with pytest.raises(Killed):
        extract_features(data_dir, tmp_path, MEL, F0)
    monkeypatch.undo()
    cache = F0Cache(tmp_path, f0_fingerprint(F0, 16000, 160))
    names = [u.utt_id for u in KaldiDirectory.read(data_dir)]
    assert len(cache.missing(names)) == 5
    assert sorted(path.suffix for path in (tmp_path / "f0").iterdir()) == ["", ".npy", ".npy", ".npy"]
    extract_features(data_dir, tmp_path, MEL, F0)
    assert cache.missing(names) == []


def test_a_cache_whose_marker_is_missing_counts_as_empty(data_dir: Path, tmp_path: Path) -> None:
    extract_features(data_dir, tmp_path, MEL, F0, statistics=False)
    (tmp_path / "f0" / "FINGERPRINT").unlink()
    with pytest.raises(DataError, match="no F0 cache"):
        F0Cache(tmp_path, f0_fingerprint(F0, 16000, 160))
    cache = F0Cache(tmp_path, f0_fingerprint(F0, 16000, 160), create=True)
    assert cache.missing(["eve-take0"]) == ["eve-take0"]


def test_damaged_results_are_named(data_dir: Path, tmp_path: Path) -> None:
    extract_features(data_dir, tmp_path, MEL, F0)
    cache = F0Cache(tmp_path, f0_fingerprint(F0, 16000, 160))
    cache.path("eve-take0").write_bytes(b"half")
    with pytest.raises(DataError, match=r"eve-take0\.npy"):
        cache.get("eve-take0")
    np.save(cache.path("eve-take0"), np.zeros((2, 3)))
    with pytest.raises(DataError, match="float64 of shape"):
        cache.get("eve-take0")
    path = tmp_path / "statistics.json"
    for content in ("{", "[]", '{"format": 1}', '{"format": 9}', path.read_text().replace('"mean": [', '"mean": [1,')):
        path.write_text(content)
        with pytest.raises(DataError, match=r"statistics\.json"):
            FeatureStatistics.load(path)
    with pytest.raises(DataError, match="no statistics; run"):
        FeatureStatistics.load(tmp_path / "none.json")


def test_a_file_that_broke_since_is_named(data_dir: Path, tmp_path: Path) -> None:
    KaldiDirectory.read(data_dir).utterances[2].path.write_text("text")
    with pytest.raises(DataError, match="bob"):
        extract_features(data_dir, tmp_path, MEL)


def test_long_work_is_announced_with_what_is_faster(caplog):
    from recipes.data.features import _announce

    def utterances(hours):
        return [Utterance(f"u{n}", Path("/a.wav"), "s", duration=3600.0) for n in range(hours)]

    with caplog.at_level("INFO"):
        _announce("harvest", [], 4)
        _announce("dio", utterances(10), 4)
        assert not caplog.records
        _announce("harvest", utterances(100), 4)
    assert "100.0 h of audio takes about 20 h 0 min of one core, 5 h 0 min with --nj 4" in caplog.text
    assert "dio 1/20" in caplog.text


def test_failures_are_told_together_at_the_end_and_the_others_are_kept(data_dir: Path, tmp_path: Path) -> None:
    utterances = list(KaldiDirectory.read(data_dir))
    for utterance in utterances[1:3]:
        utterance.path.write_bytes(b"no audio")
    with pytest.raises(FilesFailedError) as caught:
        extract_features(data_dir, tmp_path, MEL, F0)
    assert len(caught.value.failures) == 2
    assert caught.value.count == len(utterances)
    assert not (tmp_path / "statistics.json").exists()
    cache = F0Cache(tmp_path, f0_fingerprint(F0, 16000, 160))
    assert cache.missing(u.utt_id for u in utterances) == [u.utt_id for u in utterances[1:3]]
