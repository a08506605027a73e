"""Shards: the same samples as plain files, an order that depends on no process, exact continuation, few resources."""

import http.server
import io
import subprocess
import sys
import threading
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from recipes.data.config import DataConfig
from recipes.data.dataset import collate
from recipes.data.features import extract_features
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.loader import endless_loader, segment_dataset
from recipes.data.reading import AudioReader
from recipes.data.shards.index import Entry, ShardIndex
from recipes.data.shards.order import ShardOrder
from vocoders.core.errors import ConfigError, DataError
from vocoders.frontends.f0 import F0Config
from vocoders.frontends.mel import MelConfig

webdataset = pytest.importorskip("webdataset", reason="needs the extra 'shards'")
from recipes.data.shards.reading import ShardReader  # noqa: E402
from recipes.data.shards.writing import write_shards  # noqa: E402

RATE, HOP = 16000, 160
MEL = MelConfig(sample_rate=RATE, n_fft=1024, hop_length=HOP, n_mels=40)
F0 = F0Config(method="dio")


@pytest.fixture
def shards(data_dir: Path, tmp_path: Path) -> Path:
    """Eight utterances in shards of three, with F0."""
    extract_features(data_dir, tmp_path / "dump", MEL, F0)
    write_shards(KaldiDirectory.read(data_dir), tmp_path / "shards", feature_dir=tmp_path / "dump", shard_utterances=3)
    return tmp_path / "shards"


def config_of(folder: Path, **values) -> DataConfig:
    own = {"segment_length": 20 * HOP, "total_batch_size": 4, "num_workers": 0, "open_shards": 2}
    return DataConfig.from_dict({"train": str(folder), **own, **values})


def batches(folder: Path, count: int, start: int = 0, rank: int = 0, world: int = 1, **values) -> list[dict]:
    config = config_of(folder, **values)
    dataset = segment_dataset(config, MEL, values.get("f0", F0))
    with endless_loader(dataset, config, collate, start, rank, world).open() as found:
        return list(islice(found, count))


def same(first: dict, second: dict) -> bool:
    return first["utt_id"] == second["utt_id"] and all(
        torch.equal(first[key], second[key]) for key in ("audio", "features", "f0", "seed")
    )


def test_samples_are_those_of_the_files(data_dir, shards):
    index = ShardIndex.read(shards)
    assert list(index.counts) == [3, 3, 2]
    plain = KaldiDirectory.read(data_dir)
    by_id = {utterance.utt_id: number for number, utterance in enumerate(plain)}
    sharded, files = ShardReader(index, RATE), AudioReader(plain.utterances, RATE)
    assert sorted(by_id) == sorted(utterance.utt_id for utterance in index)
    for number, utterance in enumerate(index):
        other = by_id[utterance.utt_id]
        assert utterance.duration == pytest.approx(plain.utterances[other].duration)
        assert (utterance.speaker, utterance.text) == (plain.utterances[other].speaker, plain.utterances[other].text)
        assert np.array_equal(sharded.read(number), files.read(other))
        assert np.array_equal(sharded.read_whole_part(number, 100, 900), files.read_whole_part(other, 100, 900))
        assert index.find(utterance.utt_id) == number


def test_other_rates_channels_and_levels_come_through(tmp_path):
    rng = np.random.default_rng(0)
    formats = {"a.b": ("PCM_24", 0.9, 2), "loud": ("FLOAT", 3.0, 1), "eight": ("PCM_U8", 0.5, 1)}
    utterances = []
    for name, (subtype, peak, channels) in formats.items():
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, rng.uniform(-peak, peak, (4000, channels)), 22050, subtype=subtype)
        utterances.append(Utterance(name, path, "one", duration=4000 / 22050))
    utterances.append(Utterance("part", tmp_path / "loud.wav", "one", 0.05, 0.1, recording="loud"))
    index = write_shards(KaldiDirectory(tmp_path, tuple(utterances)), tmp_path / "shards")
    for settings in ({"resample": True}, {"resample": True, "peak": 0.5}):
        sharded, files = ShardReader(index, RATE, **settings), AudioReader(utterances, RATE, **settings)
        for number, utterance in enumerate(index):
            other = next(n for n, u in enumerate(utterances) if u.utt_id == utterance.utt_id)
            assert np.array_equal(sharded.read(number), files.read(other))
            assert np.array_equal(sharded.read_whole_part(number, 300, 500), files.read_whole_part(other, 300, 500))


def test_items_depend_on_seed_and_step_alone(shards):
    whole = batches(shards, 20)
    assert all(same(*pair) for pair in zip(whole, batches(shards, 20), strict=True))
    assert not all(same(*pair) for pair in zip(whole, batches(shards, 20, seed=1), strict=True))
    for start in (1, 7):  # in the middle of an epoch
        assert all(same(*pair) for pair in zip(whole[start:], batches(shards, 20 - start, start), strict=True))
    parts = [batches(shards, 20, rank=rank, world=2) for rank in range(2)]
    for batch, first, second in zip(whole, *parts, strict=True):
        joined = {key: torch.cat([first[key], second[key]]) for key in ("audio", "features", "f0", "seed")}
        assert same(batch, joined | {"utt_id": first["utt_id"] + second["utt_id"]})


@pytest.mark.slow
def test_loader_processes_change_nothing(shards):
    for workers in (1, 2, 3):
        found = batches(shards, 12, 3, num_workers=workers)
        assert all(same(*pair) for pair in zip(batches(shards, 12, 3), found, strict=True))


@pytest.mark.parametrize(("batch", "lanes"), [(1, 16), (3, 2), (16, 16), (5, 8)])
def test_every_utterance_comes_once_in_an_epoch(batch, lanes):
    repeats = np.ones(300, dtype=int)
    repeats[::7], repeats[1::7] = 0, 3
    order = ShardOrder([100, 50, 110, 40], repeats, batch, seed=3, lanes=lanes)
    counts = Counter(order[position] for position in range(20 * order.period))
    assert counts.keys() == set(np.flatnonzero(repeats))
    # Lanes drift apart by a shard or two.
    assert all(abs(count / repeats[index] - 20) <= 8 for index, count in counts.items())
    again = ShardOrder([100, 50, 110, 40], repeats, batch, seed=3, lanes=lanes)
    assert [again[position] for position in (977, 3, 978)] == [order[position] for position in (977, 3, 978)]


def test_every_shard_is_read_once_by_one_process():
    """Two training processes with two loaders each, of eight lanes."""
    order = ShardOrder([30] * 40, np.ones(1200, dtype=int), 8, seed=0, lanes=8)
    readers: dict[int, set] = {}
    for step in range(140):
        for place in range(8):
            reader = (place // 4, step % 2)
            readers.setdefault(order[step * 8 + place] // 30, set()).add(reader)
    assert len(readers) >= 32
    assert all(len(own) == 1 for own in readers.values())


def test_shards_lie_behind_an_address(shards, tmp_path):
    expected = batches(shards, 3)
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    for path in shards.glob("*.tar"):
        path.rename(bucket / path.name)
    with pytest.raises(DataError, match=r"no shard-000000\.tar"):
        batches(shards, 1)
    assert all(same(*pair) for pair in zip(expected, batches(shards, 3, shards_at=str(bucket)), strict=True))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(bucket))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert all(same(*pair) for pair in zip(expected, batches(shards, 3, shards_at=address), strict=True))
        server.shutdown()
    for address in ("pipe:rm -r x", "s3://bucket/x"):
        with pytest.raises(ConfigError, match="shards_at"):
            batches(shards, 1, shards_at=address)


def test_what_shards_cannot_do_is_one_line(data_dir, shards, tmp_path):
    for setting in ({"balance_speakers": True}, {"in_memory": True}, {"features": "predicted"}):
        with pytest.raises(ConfigError, match=next(iter(setting))):
            batches(shards, 1, **setting)
    with pytest.raises(DataError, match="data.train"):
        KaldiDirectory.read(shards)
    with pytest.raises(DataError, match="harvest"):
        segment_dataset(config_of(shards), MEL, F0Config(method="harvest"))
    with pytest.raises(ConfigError, match="shards_at"):
        segment_dataset(config_of(data_dir, shards_at=str(shards)), MEL)
    with pytest.raises(DataError, match="expected a new folder"):
        write_shards(KaldiDirectory.read(data_dir), data_dir)


def test_damage_is_named(shards):
    path = shards / "shard-000001.tar"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"shard-000001\.tar"):
        batches(shards, 20)
    (shards / "utterances.tsv").write_text("one line\n")
    with pytest.raises(DataError, match="prepare shards"):
        ShardIndex.read(shards)


def test_a_shard_that_was_copied_to_the_name_of_another_is_refused(shards):
    (shards / "shard-000001.tar").write_bytes((shards / "shard-000000.tar").read_bytes())
    with pytest.raises(DataError, match=r"shard-000001\.tar"):
        batches(shards, 20)


MANY = 100_000
START = """
import sys, time
from recipes.data.config import DataConfig
from recipes.data.dataset import collate
from recipes.data.loader import endless_loader, segment_dataset
from vocoders.frontends.mel import LogMel, MelConfig
mel = MelConfig(sample_rate=8000, n_fft=128, hop_length=32, n_mels=8)
LogMel(mel)  # imports what makes its bands, which is no memory of the corpus
config = DataConfig.from_dict({"train": sys.argv[1], "segment_length": 320, "batch_size": 16, "num_workers": 0})
peak = lambda: next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before, started = peak(), time.monotonic()
with endless_loader(segment_dataset(config, mel), config, collate, 4321).open() as batches:
    next(batches)
    seconds = time.monotonic() - started
    for _ in range(100):
        next(batches)
print(seconds, (peak() - before) / 1024)
"""


@pytest.mark.slow
def test_a_hundred_thousand_utterances_start_in_seconds(tmp_path):
    """Time from nothing to the batch of step 4321, and memory in MB, in a process of its own."""
    stream = io.BytesIO()
    soundfile.write(stream, np.random.default_rng(0).uniform(-0.5, 0.5, 400), 8000, format="FLAC", subtype="PCM_16")
    sizes = [5000] * (MANY // 5000)
    for shard, size in enumerate(sizes):
        with webdataset.TarWriter(str(tmp_path / f"shard-{shard:06d}.tar"), encoder=False, mtime=0) as writer:
            for number in range(size):
                writer.write({"__key__": f"{number:06d}", "flac": stream.getvalue()})
    entries = [Entry(f"speaker{n % 900:03d}_chapter_{n:08d}", f"speaker{n % 900:03d}", 8000, 1, 400, "some words " * 8)
               for n in range(MANY)]  # fmt: skip
    ShardIndex(tmp_path, [(f"shard-{s:06d}.tar", size) for s, size in enumerate(sizes)], entries).write()
    del entries
    seconds, megabytes = start(tmp_path)
    print(f"\nshards: {seconds:.2f} s, {megabytes:.0f} MB")
    assert seconds < 15
    assert megabytes < 200


def start(folder: Path) -> list[float]:
    found = subprocess.run([sys.executable, "-c", START, str(folder)], capture_output=True, text=True, check=True)
    return [float(value) for value in found.stdout.split()]
