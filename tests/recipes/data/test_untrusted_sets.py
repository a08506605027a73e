"""Training sets from anywhere: those that lie are refused in one line, soon, in little memory; no code is run."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hostile_files import bounded

from recipes.data.corpora import find_huggingface, find_lhotse
from recipes.data.shards.index import ShardIndex
from recipes.data.shards.reading import ShardF0, ShardReader
from vocoders.core.errors import DataError, OndesError

RATE = 16000
EIGHT_GIGABYTES = 8 << 30


def flac() -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(RATE), RATE, format="FLAC")
    return stream.getvalue()


def tar(*members: tuple[str, bytes, bytes]) -> bytes:
    """A tar file of (name, content, type)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = len(content), kind, "/etc/passwd"
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def claim(kind: bytes) -> bytes:
    member = tarfile.TarInfo("000000.flac")
    member.size, member.type = EIGHT_GIGABYTES, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def head(**values: object) -> str:
    shard = {"name": "shard-000000.tar", "utterances": 1, **values}
    return json.dumps({"format": 1, "f0": None, "shards": [shard]})


NPY = b"\x93NUMPY\1\0\x76\0" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}".ljust(117) + b"\n"
ABOUT = ("000000.json", b'{"utt_id": "a"}', tarfile.REGTYPE)
GOOD = tar(("000000.flac", flac(), tarfile.REGTYPE), ABOUT)
LINE = f"a\ts\t{RATE}\t1\t{RATE}\thello\n"
# What is wrong: the tar file, and whether a sparse file of eight gigabytes follows it.
TARS = {
    "symbolic link": (tar(("000000.flac", b"", tarfile.SYMTYPE), ABOUT), False),
    "hard link": (tar(("000000.flac", b"", tarfile.LNKTYPE), ABOUT), False),
    "device": (tar(("000000.flac", b"", tarfile.CHRTYPE), ABOUT), False),
    "absolute path": (tar(("/etc/000000.flac", flac(), tarfile.REGTYPE), ABOUT), False),
    "path upwards": (tar(("../000000.flac", flac(), tarfile.REGTYPE), ABOUT), False),
    "claim": (claim(tarfile.REGTYPE), False),
    "large": (claim(tarfile.REGTYPE), True),
    "large header": (claim(tarfile.XHDTYPE), True),
    "large name": (claim(tarfile.GNUTYPE_LONGNAME), True),
    "bomb": (gzip.compress(claim(tarfile.REGTYPE) + bytes(1 << 20)), False),
    "truncated": (GOOD[:700], False),
    "empty": (b"", False),
    "no audio": (tar(ABOUT), False),
    "text as audio": (tar(("000000.flac", b"hello", tarfile.REGTYPE), ABOUT), False),
}
INDEXES = {
    "path": (head(name="../shard-000000.tar"), LINE),
    "command": (head(name="pipe:ls"), LINE),
    "negative": (head(utterances=-1), LINE),
    "enormous": (head(utterances=10**30), LINE),
    "deep": ("[" * 100_000, LINE),
    "no rate": (head(), LINE.replace(str(RATE), "0", 1)),
    "too fast": (head(), LINE.replace(str(RATE), str(2**40), 1)),
    "too long": (head(), f"a\ts\t{RATE}\t1\t{2**62}\t\n"),
    "no table": (head(), "\0" * 1000),
}


def write_shard(folder: Path, content: bytes = GOOD, is_sparse: bool = False) -> Path:
    (folder / "shards.json").write_text(head())
    (folder / "utterances.tsv").write_text(LINE)
    with (folder / "shard-000000.tar").open("wb") as file:
        file.write(content)
        if is_sparse:
            file.truncate(EIGHT_GIGABYTES + 10240)
    return folder


def read_shard(folder: Path, with_f0: bool = False) -> None:
    reader = ShardReader(ShardIndex.read(folder), RATE)
    assert len(reader.read(0)) == RATE
    if with_f0:
        ShardF0(reader).get("a")


@pytest.mark.parametrize("case", TARS)
def test_a_shard_that_lies_is_refused(case, tmp_path):
    pytest.importorskip("webdataset", reason="needs the extra 'shards'")
    with bounded(), pytest.raises(DataError) as refused:
        read_shard(write_shard(tmp_path, *TARS[case]))
    assert len(str(refused.value).splitlines()) == 1


def test_what_no_shard_promises_is_refused(tmp_path):
    pytest.importorskip("webdataset", reason="needs the extra 'shards'")
    members = [("000000.flac", flac(), tarfile.REGTYPE), ABOUT, ("000000.f0.npy", NPY + bytes(64), tarfile.REGTYPE)]
    read_shard(write_shard(tmp_path))
    with bounded(), pytest.raises(DataError):
        read_shard(write_shard(tmp_path, tar(*members)), with_f0=True)
    write_shard(tmp_path)
    (tmp_path / "utterances.tsv").write_text(f"a\ts\t{RATE}\t1\t{2**30}\t\n")
    with bounded(), pytest.raises(DataError):
        read_shard(tmp_path)


@pytest.mark.parametrize("case", INDEXES)
def test_an_index_that_lies_is_refused(case, tmp_path):
    names, table = INDEXES[case]
    (tmp_path / "shards.json").write_text(names)
    (tmp_path / "utterances.tsv").write_text(table)
    with bounded(), pytest.raises(DataError) as refused:
        ShardIndex.read(tmp_path)
    assert len(str(refused.value).splitlines()) == 1


def cut(source: dict | None = None, recording: dict | None = None, **values: object) -> bytes:
    """A line of a manifest."""
    place = {"type": "file", "channels": [0], "source": "a.wav"} | (source or {})
    described = {"id": "a", "sources": [place], "sampling_rate": RATE, "num_samples": RATE, "duration": 1.0}
    described |= {"channel_ids": [0]} | (recording or {})
    whole = {"id": "a", "start": 0, "duration": 1.0, "channel": 0, "supervisions": [], "type": "MonoCut"}
    return json.dumps(whole | {"recording": described} | values).encode() + b"\n"


CUTS = {
    "command": cut({"type": "command", "source": "touch executed"}),
    "address": cut({"type": "url", "source": "http://127.0.0.1:9/a.wav"}),
    "pipe": cut({"source": "touch executed |"}),
    "lines": cut({"source": "a.wav\nb touch executed |"}),
    "no start": cut(start=float("nan")),
    "no rate": cut(recording={"sampling_rate": 0}),
    "change": cut(recording={"transforms": [{"name": "os.system", "kwargs": {"command": "touch executed"}}]}),
    "type": cut(type="os.system"),
    "no cut": b"[1]\n",
    "deep": b"[" * 100_000 + b"\n",
    "long line": b'"' + b"x" * (9 << 20) + b'"\n',
    "binary": bytes(range(256)),
    "twice": cut() * 2,
    "bomb": gzip.compress(bytes(64 << 20), 1),
    "blank bomb": gzip.compress(b"\n" * (1 << 20), 1),
    "damaged": gzip.compress(cut())[:-9],
}


@pytest.mark.parametrize("case", CUTS)
def test_a_manifest_that_lies_is_refused(case, tmp_path, monkeypatch):
    pytest.importorskip("lhotse", reason="needs the extra 'lhotse'")
    monkeypatch.chdir(tmp_path)
    content = CUTS[case]
    path = tmp_path / ("cuts.jsonl.gz" if content.startswith(b"\x1f\x8b") else "cuts.jsonl")
    path.write_bytes(content)
    with bounded(), pytest.raises(DataError) as refused:
        find_lhotse(path)
    assert len(str(refused.value).splitlines()) == 1
    assert not (tmp_path / "executed").exists()


def test_a_manifest_without_a_limit_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("lhotse", reason="needs the extra 'lhotse'")
    lines = b"".join(cut(id=str(number)) for number in range(100))
    path = tmp_path / "cuts.jsonl.gz"
    path.write_bytes(gzip.compress(lines))
    assert len(find_lhotse(path)) == 100
    monkeypatch.setenv("ONDES_LIMIT_UNPACKED", str(len(lines) // 2))
    with pytest.raises(DataError, match="ONDES_LIMIT_UNPACKED"):
        find_lhotse(path)


@pytest.mark.parametrize(
    "files",
    [
        {"script.py": "open('executed', 'w')"},
        {"dataset_dict.json": '{"splits": ["../other"]}'},
        {"dataset_info.json": "{}", "state.json": '{"_data_files": [{"filename": "../../x.arrow"}]}'},
        {"dataset_info.json": "[" * 100_000, "state.json": '{"_data_files": []}'},
        {"dataset_info.json": "{}", "state.json": '{"_data_files": 3}'},
    ],
    ids=["script", "split", "file", "deep", "type"],
)
def test_a_data_set_that_lies_is_refused(files, tmp_path, monkeypatch):
    pytest.importorskip("datasets", reason="needs the extra 'huggingface'")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    for name, content in files.items():
        (tmp_path / "set" / name).write_text(content)
    with bounded(), pytest.raises(OndesError) as refused:
        find_huggingface(tmp_path / "set", tmp_path / "audio")
    assert len(str(refused.value).splitlines()) == 1
    assert not (tmp_path / "executed").exists()
