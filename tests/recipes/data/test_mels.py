"""Mels in files: written ones are those of training, and archives of Kaldi are read like .npy files."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from recipes.data.cache import F0Cache
from recipes.data.dataset import UtteranceDataset
from recipes.data.kaldi import KaldiDirectory
from recipes.data.mels import write_mels
from recipes.data.predicted import PredictedFeatures
from recipes.data.reading import AudioReader
from vocoders.core.errors import DataError
from vocoders.core.numpy_files import write_npy_in_parts
from vocoders.frontends.mel import MelConfig

MEL = MelConfig(sample_rate=16000, n_fft=512, hop_length=128, n_mels=40)


def test_written_mels_are_those_of_training_and_feed_a_vocoder(data_dir, tmp_path):
    directory = KaldiDirectory.read(data_dir)
    listed = write_mels(directory, tmp_path / "mels", MEL)
    assert (tmp_path / "mels/front_end.txt").read_text().strip() == MEL.fingerprint
    (data_dir / "feats.scp").write_text(listed.read_text())
    predicted = PredictedFeatures(data_dir, MEL)
    assert not predicted.missing(utterance.utt_id for utterance in directory)
    reader = AudioReader(directory.utterances, 16000)
    for index in range(3):
        item = UtteranceDataset(reader, MEL)[index]
        np.testing.assert_allclose(predicted.get(item["utt_id"]), item["features"].numpy(), atol=1e-4)
    first = next((tmp_path / "mels").glob("*.npy"))
    changed = first.stat().st_mtime_ns
    write_mels(directory, tmp_path / "mels", MEL)
    assert first.stat().st_mtime_ns == changed


def test_half_a_mel_is_written_again_and_another_front_end_is_refused(data_dir, tmp_path):
    directory = KaldiDirectory.read(data_dir)
    write_mels(directory, tmp_path, MEL)
    path = tmp_path / f"{directory.utterances[0].utt_id}.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    write_mels(directory, tmp_path, MEL)
    assert path.read_bytes() == whole
    with pytest.raises(DataError, match="bands=41"):
        write_mels(directory, tmp_path, MEL.model_copy(update={"n_mels": 41}))


@pytest.mark.parametrize("columns_first", [False, True])
def test_a_matrix_in_parts_is_the_file_of_the_whole(tmp_path, columns_first):
    matrix = np.random.default_rng(0).standard_normal((5, 17)).astype(np.float32)
    write_npy_in_parts(tmp_path / "parts.npy", 5, 17, np.split(matrix, [1, 8], axis=1), columns_first)
    np.save(tmp_path / "whole.npy", matrix.T if columns_first else matrix)
    assert (tmp_path / "parts.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    for wrong in ([matrix], [matrix[:, :3]], [matrix[:3]]):
        with pytest.raises(ValueError, match="expected"):
            write_npy_in_parts(tmp_path / "x.npy", 5, 16, wrong)


@pytest.mark.parametrize("compression", [0, 1])
def test_archives_hold_frames_by_bands(tmp_path, compression):
    kaldiio = pytest.importorskip("kaldiio")
    rng = np.random.default_rng(0)
    matrices = {name: rng.standard_normal((20, 40)).astype(np.float32) for name in ("a", "b")}
    writer = {"compression_method": compression} if compression else {}
    kaldiio.save_ark(str(tmp_path / "x.ark"), matrices, scp=str(tmp_path / "feats.scp"), **writer)
    features = PredictedFeatures(tmp_path, MEL)
    for name, matrix in matrices.items():
        assert features.get(name, mmap=True).shape == (40, 20)
        np.testing.assert_allclose(features.get(name), matrix.T, atol=0.05 if compression else 0)


def test_what_is_no_matrix_is_an_error_with_its_place(tmp_path):
    pytest.importorskip("kaldiio")
    (tmp_path / "x.ark").write_bytes(b"not an archive at all, whatever it says")
    (tmp_path / "feats.scp").write_text(f"a {tmp_path}/x.ark:2\n")
    with pytest.raises(DataError, match=r"x\.ark:2: expected a matrix"):
        PredictedFeatures(tmp_path, MEL).get("a")
    for other in ("x.ark", "x.pt"):
        (tmp_path / "feats.scp").write_text(f"a {tmp_path}/{other}\n")
        with pytest.raises(DataError, match="expected an id and a .npy file"):
            PredictedFeatures(tmp_path, MEL)


def test_an_archive_that_is_cut_is_an_error_with_a_reason(tmp_path):
    pytest.importorskip("kaldiio")
    (tmp_path / "x.ark").write_bytes(100 * b"0")
    (tmp_path / "feats.scp").write_text(f"a {tmp_path}/x.ark:5000\n")
    with pytest.raises(DataError, match=r"x\.ark:5000: .*: \w"):
        PredictedFeatures(tmp_path, MEL).get("a")


def test_caches_that_start_at_the_same_time_lose_nothing(tmp_path):
    def start(number: int) -> None:
        F0Cache(tmp_path, "front end", create=True).put(str(number), np.zeros(3, np.float32))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(8)))
    assert F0Cache(tmp_path, "front end").missing(map(str, range(8))) == []
