"""Feature files of every kind give the same numbers, and nothing in them is executed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vocoders.core.errors import DataError
from vocoders.core.feature_files import FeaturePlace, list_utterances, read_feature_file

h5py = pytest.importorskip("h5py")
kaldiio = pytest.importorskip("kaldiio")

MEL = np.random.default_rng(0).standard_normal((80, 7)).astype(np.float32)


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_files_of_all_programs_give_the_same_features(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MEL[None])
    np.save(tmp_path / "a4.npy", MEL[None, None])
    np.savez(tmp_path / "b.npz", mel=MEL)
    np.savez(tmp_path / "c.npz", anything=MEL, length=np.array([7]))
    torch.save(torch.from_numpy(MEL), tmp_path / "d.pt")
    torch.save({"mel": torch.from_numpy(MEL), "text": "hello"}, tmp_path / "e.pth")
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["wave"], file["feats"] = np.zeros(100), MEL
    kaldiio.save_ark(str(tmp_path / "g.ark"), {"utt": MEL})
    for path in sorted(tmp_path.iterdir()):
        found = read_feature_file(path)
        np.testing.assert_array_equal(found.features, MEL, err_msg=str(path))
        assert (found.f0, found.voiced, found.fingerprint) == (None, None, None)


def test_f0_voicing_and_fingerprint_come_with_the_features(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", features=MEL, pitch=np.arange(7), vuv=np.ones(7), fingerprint="mel of mine")
    found = read_feature_file(tmp_path / "x.npz")
    assert found.f0 is not None
    assert found.voiced is not None
    assert (found.f0.tolist(), found.voiced.sum(), found.fingerprint) == (list(range(7)), 7, "mel of mine")


@pytest.mark.parametrize("kind", ["archive", "table", "folder"])
def test_utterances_of_archives_tables_and_dump_folders(tmp_path: Path, kind: str) -> None:
    utterances = {"one": MEL, "two": 2 * MEL}
    kaldiio.save_ark(str(tmp_path / "feats.ark"), utterances, scp=str(tmp_path / "feats.scp"))
    path = {"archive": tmp_path / "feats.ark", "table": tmp_path / "feats.scp", "folder": tmp_path}[kind]
    places = list_utterances(path)
    assert list(places) == ["one", "two"]
    for key, place in places.items():
        np.testing.assert_array_equal(read_feature_file(place).features, utterances[key])


def test_nothing_is_executed(tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    np.save(tmp_path / "a.npy", np.array([Payload(proof)], dtype=object), allow_pickle=True)
    torch.save({"mel": Payload(proof)}, tmp_path / "b.pt")
    kaldiio.save_ark(str(tmp_path / "c.ark"), {"utt": Payload(proof)}, write_function="pickle")
    (tmp_path / "d.scp").write_text(f"utt touch {proof} |\n")
    for name in ("a.npy", "b.pt", "c.ark"):
        with pytest.raises(DataError):
            read_feature_file(tmp_path / name)
    with pytest.raises(DataError, match="not run"):
        list_utterances(tmp_path / "d.scp")
    assert not proof.exists()
    np.load(tmp_path / "a.npy", allow_pickle=True)
    assert proof.exists(), "the payload must be live, or this test proves nothing"


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("x.npy", b"", "empty"),
        ("x.npz", b"text", "NumPy"),
        ("x.pt", b"text", "PyTorch"),
        ("x.h5", b"text", "HDF5"),
        ("x.ark", b"\0\1\2", "Kaldi"),
    ],
)
def test_damaged_files_are_data_errors(tmp_path: Path, name: str, content: bytes, match: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=match):
        read_feature_file(tmp_path / name)
    with pytest.raises(DataError, match="no such file"):
        read_feature_file(tmp_path / f"none{name}")


def test_other_content_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=MEL, b=MEL)
    np.save(tmp_path / "flat.npy", MEL[0])
    np.save(tmp_path / "batch.npy", np.stack([MEL, MEL]))
    np.savez(tmp_path / "letters.npz", mel=MEL, f0=np.array(["a"] * 7))
    torch.save({"mel": Payload(tmp_path / "run")}, tmp_path / "objects.pt")
    for name, match in (("batch.npy", "2 utterances"), ("letters.npz", "f0 of <U1"), ("objects.pt", "objects besides")):
        with pytest.raises(DataError, match=match):
            read_feature_file(tmp_path / name)
    with pytest.raises(DataError, match="named 'features'"):
        read_feature_file(tmp_path / "two.npz")
    with pytest.raises(DataError, match="bins, frames"):
        read_feature_file(tmp_path / "flat.npy")
    kaldiio.save_ark(str(tmp_path / "x.ark"), {"a": MEL, "b": MEL})
    with pytest.raises(DataError, match="2 utterances"):
        read_feature_file(FeaturePlace(tmp_path / "x.ark"))
