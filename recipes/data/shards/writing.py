"""Shards from a Kaldi data directory: lossless audio, and F0 if there is a cache of it."""

import io
import json
import logging
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path

import numpy as np
import soundfile

from recipes.data.kaldi import SHARDS_FILE, KaldiDirectory, Utterance
from recipes.data.parallel import map_files
from recipes.data.reading import utterance_span
from recipes.data.shards.index import TABLE_FILE, Entry, ShardIndex
from recipes.data.shards.reading import F0_KIND, import_webdataset, member_name
from vocoders.core.atomic import writing
from vocoders.core.audio import audio_info, read_audio
from vocoders.core.errors import DataError

__all__ = ["write_shards"]

logger = logging.getLogger(__name__)

# Bits of integer samples that FLAC stores as they are.
_BITS = {"PCM_S8": 16, "PCM_U8": 16, "PCM_16": 16}


@dataclass(frozen=True)
class _Member:
    entry: Entry
    files: dict[str, bytes]


def write_shards(
    directory: KaldiDirectory,
    folder: str | Path,
    *,
    feature_dir: str | Path | None = None,
    shard_bytes: int = 250_000_000,
    shard_utterances: int = 10_000,
    seed: int = 0,
    nj: int = 1,
) -> ShardIndex:
    """Write the utterances of a data directory to shards, shuffled once, and their index.

    Audio becomes FLAC with the bits of its source; louder than full scale it becomes WAV of floats. Each utterance
    is three files in the tar at most: audio, ``json`` with id, speaker and text, ``f0.npy``.

    Args:
        directory: the utterances.
        folder: folder for the shards.
        feature_dir: folder of an F0 cache that has all of them; ``None``: no F0.
        shard_bytes: size from which a new shard begins.
        shard_utterances: largest number of utterances in a shard.
        seed: seed of the order. A training reads each shard front to back.
        nj: number of processes.

    Raises:
        MissingExtraError: without webdataset.
        FilesFailedError: for unreadable files and missing F0, each with a line.
        DataError: for a folder with other contents.
    """
    webdataset = import_webdataset()
    folder = Path(folder)
    fingerprint = None if feature_dir is None else _read_fingerprint(Path(feature_dir))
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    order = np.random.default_rng(seed).permutation(len(directory))
    utterances = [directory.utterances[index] for index in order]
    encode = partial(_encode, feature_dir=None if feature_dir is None else Path(feature_dir))
    shards: list[tuple[str, int]] = []
    entries: list[Entry] = []
    with (
        writing(folder),
        webdataset.ShardWriter(
            str(folder / "shard-%06d.tar"), maxcount=shard_utterances, maxsize=shard_bytes, verbose=0,
            mtime=0, encoder=False,
        ) as writer,
    ):  # fmt: skip
        for member in map_files(encode, utterances, nj, "writing shards", attrgetter("path")):
            if writer.count >= shard_utterances or writer.size >= shard_bytes:
                writer.next_stream()
            writer.write({"__key__": member_name(writer.count), **member.files})
            name = Path(writer.fname).name
            if not shards or shards[-1][0] != name:
                shards.append((name, 0))
            shards[-1] = name, shards[-1][1] + 1
            entries.append(member.entry)
    index = ShardIndex(folder, shards, entries, fingerprint)
    index.write()
    logger.info("%s: %d utterances in %d shards", folder, len(index), len(shards))
    return index


def _clear(folder: Path) -> None:
    """Remove older shards; refuse a folder with anything else."""
    strange = [path.name for path in folder.iterdir() if not _is_ours(path)]
    if strange:
        raise DataError(f"{folder} contains {min(strange)}; expected a new folder, or one of shards")
    # Without its index a folder is none of shards, so an interruption leaves no false one.
    for path in sorted(folder.iterdir(), key=lambda path: path.name != SHARDS_FILE):
        path.unlink()


def _is_ours(path: Path) -> bool:
    return path.name in (SHARDS_FILE, TABLE_FILE) or (path.name.startswith("shard-") and path.suffix == ".tar")


def _read_fingerprint(feature_dir: Path) -> str:
    try:
        return (feature_dir / "f0" / "FINGERPRINT").read_text(encoding="utf-8").strip()
    except OSError:
        raise DataError(f"{feature_dir}: no F0 cache in it; run 'ondes features', or leave --features out") from None


def _encode(utterance: Utterance, feature_dir: Path | None) -> _Member:
    """Read an utterance and return its files, in a worker process."""
    span = utterance_span(utterance)
    bits = _BITS.get(audio_info(utterance.path).subtype, 24)
    audio, _ = read_audio(utterance.path, start=span.start, frames=span.length)
    samples = audio.numpy().T
    kind, content = _compress(samples, span.sample_rate, bits)
    entry = Entry(
        utterance.utt_id, utterance.speaker, span.sample_rate, span.channels, len(samples), utterance.text or ""
    )
    about = {"utt_id": entry.utt_id, "speaker": entry.speaker, "text": entry.text}
    files = {kind: content, "json": json.dumps(about, ensure_ascii=False).encode("utf-8")}
    if feature_dir is not None:
        path = feature_dir / "f0" / f"{utterance.utt_id}.npy"
        try:
            files[F0_KIND] = path.read_bytes()
        except OSError:
            raise DataError(f"{path}: no F0 for '{utterance.utt_id}'; run 'ondes features' on its data") from None
    return _Member(entry, files)


def _compress(samples: np.ndarray, sample_rate: int, bits: int) -> tuple[str, bytes]:
    """Return the ending and the content of a file with samples (T, C)."""
    stream = io.BytesIO()
    if np.abs(samples).max(initial=0.0) > 1 or samples.shape[1] > 8:
        soundfile.write(stream, samples, sample_rate, format="WAV", subtype="FLOAT")
        return "wav", stream.getvalue()
    top = 2 ** (bits - 1)
    levels = np.clip(np.rint(samples.astype(np.float64) * top), -top, top - 1).astype(np.int32)
    soundfile.write(stream, levels << (32 - bits), sample_rate, format="FLAC", subtype=f"PCM_{bits}")
    return "flac", stream.getvalue()
