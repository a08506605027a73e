"""Features in files: written ones are those of training, and archives of Kaldi are read like .npy files."""

from pathlib import Path

import kaldiio
import numpy as np
import pytest

from recipes.data.dataset import UtteranceDataset
from recipes.data.feature_files import is_feature_file, read_features
from recipes.data.kaldi import KaldiDirectory
from recipes.data.mels import write_mels
from recipes.data.predicted import PredictedFeatures
from recipes.data.reading import AudioReader
from vocoders.core.errors import DataError
from vocoders.frontends.mel import MelConfig

MEL = MelConfig(sample_rate=16000, n_fft=512, hop_length=128, n_mels=40)


def test_written_mels_are_those_of_training_and_feed_a_vocoder(data_dir, tmp_path):
    directory = KaldiDirectory.read(data_dir)
    listed = write_mels(directory, tmp_path / "mels", MEL)
    assert (tmp_path / "mels/front_end.txt").read_text().strip() == MEL.fingerprint
    (data_dir / "feats.scp").write_text(listed.read_text())
    predicted = PredictedFeatures(data_dir)
    assert not predicted.missing(utterance.utt_id for utterance in directory)
    reader = AudioReader(directory.utterances, 16000)
    for index in range(3):
        item = UtteranceDataset(reader, MEL)[index]
        np.testing.assert_allclose(predicted.get(item["utt_id"]), item["features"].numpy(), atol=1e-4)
    first = next((tmp_path / "mels").glob("*.npy"))
    changed = first.stat().st_mtime_ns
    write_mels(directory, tmp_path / "mels", MEL)
    assert first.stat().st_mtime_ns == changed


@pytest.mark.parametrize("compression", [0, 1])
def test_archives_hold_frames_by_bands(tmp_path, compression):
    rng = np.random.default_rng(0)
    matrices = {name: rng.standard_normal((20, 40)).astype(np.float32) for name in ("a", "b")}
    writer = {"compression_method": compression} if compression else {}
    kaldiio.save_ark(str(tmp_path / "x.ark"), matrices, scp=str(tmp_path / "feats.scp"), **writer)
    features = PredictedFeatures(tmp_path)
    for name, matrix in matrices.items():
        assert features.get(name, mmap=True).shape == (40, 20)
        np.testing.assert_allclose(features.get(name), matrix.T, atol=0.05 if compression else 0)


def test_what_is_no_matrix_is_an_error_with_its_place(tmp_path):
    (tmp_path / "x.ark").write_bytes(b"not an archive at all, whatever it says")
    with pytest.raises(DataError, match=r"x\.ark:2: not a readable"):
        read_features(tmp_path / "x.ark:2")
    assert is_feature_file(Path("/a/b.npy"))
    assert not is_feature_file(Path("/a/b.ark"))
    assert not is_feature_file(Path("/a/b.pt"))
