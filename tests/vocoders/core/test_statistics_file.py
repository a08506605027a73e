"""Statistics come out of many kinds of files as they went in, and nothing in a file is ever run."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from vocoders.core.errors import CheckpointError
from vocoders.core.statistics_file import read_statistics

h5py = pytest.importorskip("h5py")
kaldiio = pytest.importorskip("kaldiio")
joblib = pytest.importorskip("joblib")
StandardScaler = pytest.importorskip("sklearn.preprocessing").StandardScaler

NAMES = ("mean", "std")
MEAN, STD = np.linspace(-3, 1, 6), np.linspace(1, 2, 6)


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def scalers() -> dict:
    found = {}
    for name, bins in (("f0", 1), ("mel", 6)):
        found[name] = StandardScaler()
        for seed in range(3):
            found[name].partial_fit(np.random.default_rng(seed).normal(-3, 2, (20, bins)).astype(np.float32))
    return found


def test_named_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", mean=MEAN, std=STD)
    np.save(tmp_path / "s.npy", np.stack([MEAN, STD]))
    save_file({"mean": MEAN, "std": STD}, tmp_path / "s.safetensors")
    (tmp_path / "s.json").write_text(json.dumps({"mean": list(MEAN), "std": list(STD), "format": 1}))
    joblib.dump({"mean": MEAN, "std": STD}, tmp_path / "s.joblib")
    (tmp_path / "s.pkl").write_bytes(pickle.dumps({"mel": {"mean": MEAN, "std": STD}}))
    for path in tmp_path.iterdir():
        found = read_statistics(path, NAMES, "mel")
        assert np.array_equal(found["mean"], MEAN), path
        assert np.array_equal(found["std"], STD), path


def test_statistics_of_other_programs(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(MEAN, STD, (500, 6))
    sums = {"sum": values.sum(axis=0), "sum_square": (values**2).sum(axis=0)}
    cmvn = np.stack([np.append(sums["sum"], 500), np.append(sums["sum_square"], 0)])
    halves = {key: np.array([cmvn[0] * part, cmvn[1] * part]) for key, part in (("a", 0.25), ("b", 0.75))}
    np.savez(tmp_path / "feats_stats.npz", count=500, **sums)
    with h5py.File(tmp_path / "stats.h5", "w") as file:
        file["mean"], file["scale"] = values.mean(axis=0), values.std(axis=0)
    coqui = {"mel_mean": values.mean(axis=0), "mel_std": values.std(axis=0), "audio_config": {"power": 1.5}}
    np.save(tmp_path / "scale_stats.npy", coqui, allow_pickle=True)
    kaldiio.save_mat(str(tmp_path / "global_cmvn"), cmvn)
    kaldiio.save_ark(str(tmp_path / "cmvn.ark"), halves, scp=str(tmp_path / "cmvn.scp"))
    kaldiio.save_ark(str(tmp_path / "cmvn_text.ark"), halves, text=True)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 7
    for path in files:
        found = read_statistics(path, NAMES, "mel")
        np.testing.assert_allclose(found["mean"], values.mean(axis=0), rtol=1e-4, err_msg=str(path))
        np.testing.assert_allclose(found["std"], values.std(axis=0), rtol=1e-4, err_msg=str(path))


def test_dictionary_in_an_array_runs_no_code(tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    np.save(tmp_path / "s.npy", {"mel_mean": MEAN, "other": Payload(proof)}, allow_pickle=True)
    with pytest.raises(CheckpointError, match="execute code"):
        read_statistics(tmp_path / "s.npy", NAMES, "mel")
    kaldiio.save_ark(str(tmp_path / "s.ark"), {"a": Payload(proof)}, write_function="pickle")
    with pytest.raises(CheckpointError, match="pickle"):
        read_statistics(tmp_path / "s.ark", NAMES, "mel")
    (tmp_path / "s.scp").write_text(f"a touch {proof} |\n")
    with pytest.raises(CheckpointError, match="not run"):
        read_statistics(tmp_path / "s.scp", NAMES, "mel")
    assert not proof.exists()


@pytest.mark.parametrize("compress", [0, 3, ("zlib", 9), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_scalers_in_a_joblib_file(tmp_path: Path, scalers: dict, compress) -> None:
    for content in (scalers, scalers["mel"]):
        joblib.dump(content, tmp_path / "s", compress=compress)
        found = read_statistics(tmp_path / "s", NAMES, "mel")
        assert np.array_equal(found["mean"], scalers["mel"].mean_)
        assert np.array_equal(found["std"], scalers["mel"].scale_)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_scalers_in_a_plain_pickle(tmp_path: Path, scalers: dict, protocol: int) -> None:
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(scalers, protocol=protocol))
    found = read_statistics(tmp_path / "s.pkl", NAMES, "mel")
    assert np.array_equal(found["mean"], scalers["mel"].mean_)
    assert np.array_equal(found["std"], scalers["mel"].scale_)


@pytest.mark.parametrize("array", [np.arange(6, dtype=">f4"), np.asfortranarray(np.arange(6.0).reshape(2, 3))])
def test_arrays_keep_their_order(tmp_path: Path, array: np.ndarray) -> None:
    joblib.dump({"mean": array, "std": array}, tmp_path / "s")
    found = read_statistics(tmp_path / "s", NAMES)
    assert np.array_equal(found["mean"], array)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("dump", [joblib.dump, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_code_is_named_and_not_executed(tmp_path: Path, scalers: dict, dump, hidden: bool) -> None:
    proof = tmp_path / "executed"
    payload = np.array([Payload(proof)], dtype=object) if hidden else Payload(proof)
    dump(scalers | {"other": payload}, tmp_path / "s")
    cause = "object" if hidden else r"builtins\.getattr|pathlib\.\w+"
    with pytest.raises(CheckpointError, match=rf'({cause}).*python -c "import joblib') as caught:
        read_statistics(tmp_path / "s", NAMES, "mel")
    assert "\n" not in str(caught.value)
    assert not proof.exists()
    joblib.load(tmp_path / "s")
    assert proof.exists(), "the payload must be live, or this test proves nothing"


def test_the_advised_line_converts(tmp_path: Path, scalers: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    joblib.dump(scalers | {"other": Path("x")}, "s.joblib")
    with pytest.raises(CheckpointError) as caught:
        read_statistics("s.joblib", NAMES, "mel")
    exec(re.search(r'python -c "(.*)"', str(caught.value))[1], {})
    assert np.array_equal(read_statistics("stats.npz", NAMES)["mean"], scalers["mel"].mean_)


@pytest.mark.parametrize("kept", [0, 1, 30, 200, 0.5, -8])
def test_what_is_cut_off_is_refused(tmp_path: Path, scalers: dict, kept: float) -> None:
    joblib.dump(scalers, tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "s").write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match="'mean' and 'std'"):
        read_statistics(tmp_path / "s", NAMES, "mel")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"some text", "text file"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b'{"mean": [1]}', "it has no 'std'"),
        (b'{"mean": [1', "'mean' and 'std'"),
        (pickle.dumps({"f0": {}, "lf0": {}}), r"no .*mel \(found: f0, lf0\)"),
        (pickle.dumps({"mel": StandardScaler()}), "not fitted"),
        (pickle.dumps([1]), "found list"),
    ],
)
def test_what_holds_no_statistics(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(CheckpointError, match=match):
        read_statistics(tmp_path / "s", NAMES, "mel")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such"):
        read_statistics(tmp_path / "none", NAMES)
    with pytest.raises(CheckpointError, match="expected 'mean'"):
        read_statistics(tmp_path, NAMES)
