"""Manifests of other libraries become data directories with the same audio."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from recipes.data.corpora import find_huggingface, find_lhotse
from recipes.data.kaldi import KaldiDirectory
from recipes.data.preparation import prepare
from recipes.data.reading import read_utterance
from vocoders.core.errors import ConfigError, DataError

RATE = 16000


@pytest.fixture
def sounds(tmp_path: Path) -> dict[Path, np.ndarray]:
    """Two files of noise."""
    found = {}
    for number in range(2):
        path = tmp_path / f"noise {number}.flac"
        soundfile.write(path, np.random.default_rng(number).uniform(-0.5, 0.5, 2 * RATE), RATE)
        found[path] = soundfile.read(path, dtype="float32")[0]
    return found


def test_cuts_of_lhotse_are_segments(sounds, tmp_path, caplog):
    lhotse = pytest.importorskip("lhotse", reason="needs the extra 'lhotse'")
    cuts = []
    for number, path in enumerate(sounds):
        whole = lhotse.Recording.from_file(path, recording_id=f"rec {number}").to_cut().with_id(f"cut/{number}")
        own = lhotse.SupervisionSegment(
            "one", whole.recording_id, 0, whole.duration, text="some words", speaker=f"speaker {number}"
        )
        whole.supervisions = [own]
        cuts += [whole, whole.truncate(offset=0.25, duration=0.5).with_id(f"part-{number}")]
    cuts += [cuts[0].perturb_speed(1.1).with_id("fast"), cuts[0].pad(3.0).with_id("mixed")]
    lhotse.CutSet.from_cuts(cuts).to_file(tmp_path / "cuts.jsonl.gz")
    prepare(find_lhotse(tmp_path / "cuts.jsonl.gz"), tmp_path / "data")
    assert caplog.text.count("left out") == 2
    found = {utterance.utt_id: utterance for utterance in KaldiDirectory.read(tmp_path / "data")}
    assert found.keys() == {"cut-0", "cut-1", "part-0", "part-1"}
    for number, samples in enumerate(sounds.values()):
        whole, part = found[f"cut-{number}"], found[f"part-{number}"]
        assert (whole.speaker, whole.text) == (f"speaker_{number}", "some words")
        assert np.array_equal(read_utterance(whole, RATE), samples)
        assert np.array_equal(read_utterance(part, RATE), samples[RATE // 4 : 3 * RATE // 4])
    (tmp_path / "bad.jsonl").write_text("{no json\n")
    for wrong in ("bad.jsonl", "none.jsonl"):
        with pytest.raises(DataError, match=wrong):
            find_lhotse(tmp_path / wrong)


def test_a_data_set_of_hugging_face_gives_its_files(sounds, tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs the extra 'huggingface'")
    pyarrow = pytest.importorskip("pyarrow")
    rows = {
        "audio": [{"bytes": path.read_bytes(), "path": "one.flac"} for path in sounds],
        "speaker_id": [7, 8],
        "sentence": ["some words", None],
    }
    number, text = datasets.Value("int64"), datasets.Value("string")
    features = datasets.Features({"audio": datasets.Audio(RATE), "speaker_id": number, "sentence": text})
    # Neither encoding nor a cast, which need more packages.
    stored = pyarrow.table(rows, schema=pyarrow.schema(features.arrow_schema))
    table = datasets.Dataset(stored, datasets.DatasetInfo(features=features), fingerprint="sounds")
    datasets.DatasetDict(train=table).save_to_disk(str(tmp_path / "set"))
    with pytest.raises(ConfigError, match="train"):
        find_huggingface(tmp_path / "set", tmp_path / "audio")
    with pytest.raises(ConfigError, match="sentence"):
        find_huggingface(tmp_path / "set", tmp_path / "audio", "train", text_column="words")
    prepare(find_huggingface(tmp_path / "set", tmp_path / "data" / "audio", "train"), tmp_path / "data")
    found = KaldiDirectory.read(tmp_path / "data").utterances
    assert [(u.utt_id, u.speaker, u.text) for u in found] == [("one", "7", "some words"), ("one-000001", "8", None)]
    for utterance, samples in zip(found, sounds.values(), strict=True):
        assert np.array_equal(read_utterance(utterance, RATE), samples)
    with pytest.raises(DataError, match="save_to_disk"):
        find_huggingface(tmp_path, tmp_path / "audio")


def test_a_missing_package_is_one_line(tmp_path, monkeypatch):
    import sys

    from vocoders.core.errors import MissingExtraError

    for package in ("lhotse", "datasets"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"ondes\[lhotse\]"):
        find_lhotse(tmp_path / "cuts.jsonl.gz")
    with pytest.raises(MissingExtraError, match=r"ondes\[huggingface\]"):
        find_huggingface(tmp_path, tmp_path / "audio")
