"""Corpora that other libraries describe: cut sets of lhotse, audio data sets of Hugging Face."""

import gzip
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from recipes.data.corpora.layout import corpus_root
from recipes.data.kaldi import Utterance
from recipes.progress import track
from vocoders.core.atomic import atomic_file
from vocoders.core.errors import ConfigError, DataError, MissingExtraError
from vocoders.core.json_files import parse_json, read_json
from vocoders.core.limits import limit, limit_error
from vocoders.core.regular_files import check_regular, open_regular

__all__ = ["find_huggingface", "find_lhotse"]

_logger = logging.getLogger(__name__)

_TEXTS = ("text_normalized", "normalized_text", "text", "sentence", "transcription", "transcript")
_SPEAKERS = ("speaker_id", "speaker", "client_id")
_BEGINNINGS = {b"fLaC": ".flac", b"RIFF": ".wav", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff\xfb": ".mp3"}


def find_lhotse(source: str | Path) -> list[Utterance]:
    """List the cuts of a CutSet of lhotse (cuts.jsonl.gz or cuts.jsonl).

    A cut of a part of a recording becomes a segment. Cuts that are no part of a file on this machine are left out with
    a warning: mixes, effects that lhotse computes, one channel of several.

    Raises:
        MissingExtraError: without lhotse.
        DataError: if the manifest cannot be read, or no cut can be used.
    """
    try:
        import lhotse
    except ImportError:
        raise MissingExtraError("lhotse", "lhotse", "reading a CutSet") from None
    path = Path(source)
    if not path.is_file() or not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise DataError(f"{source}: no such manifest; expected a CutSet of lhotse such as cuts.jsonl.gz")
    utterances: list[Utterance] = []
    left_out: Counter[str] = Counter()
    names: set[str] = set()
    try:
        for number, description in enumerate(_read_lines(path), start=1):
            if not isinstance(description, dict) or "type" not in description:
                raise ValueError(f"line {number}: no cut")
            cut = lhotse.cut.set.deserialize_cut(description)
            if cut.id in names:
                raise ValueError(f"line {number}: a second cut '{cut.id:.60}'")
            names.add(cut.id)
            reason = _reason_against(cut)
            if reason:
                left_out[reason] += 1
            else:
                utterances.append(_utterance_of(cut))
    except Exception as error:  # of JSON, gzip and lhotse, whatever the version raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{path}: not a CutSet of lhotse ({reason:.200})") from None
    for reason, count in left_out.most_common():
        _logger.warning("%s: %d cuts left out: %s", path, count, reason)
    if not utterances:
        raise DataError(f"{path}: no cut can be used; expected cuts of audio files")
    return utterances


def _read_lines(path: Path) -> Iterator[Any]:
    """Yield the values of a file with JSON in each line, within the limits ``json`` and ``unpacked``."""
    most = max(check_regular(path), limit("unpacked"))
    read = 0
    with open_regular(path) as raw, gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw as stream:
        while line := stream.readline(limit("json") + 1):
            read += len(line)
            for name, found, top in (("json", len(line), limit("json")), ("unpacked", read, most)):
                if found > top:
                    raise ValueError(limit_error(name, found))
            yield parse_json(line)


def _reason_against(cut: Any) -> str:
    """Return why a cut is no part of a file; empty if it is."""
    if type(cut).__name__ != "MonoCut":
        return f"they are of the type {type(cut).__name__}; save them as audio first (CutSet.save_audios)"
    recording = cut.recording
    if recording is None:
        return "they have no recording, features alone"
    if recording.transforms:
        return "lhotse changes their audio; save it first (CutSet.save_audios)"
    if recording.num_channels > 1 or len(recording.sources) > 1:
        return "they are one channel of several; save it first (CutSet.save_audios)"
    if recording.sources[0].type != "file":
        return f"their audio is of the type '{recording.sources[0].type}'; save it first (CutSet.save_audios)"
    return ""


def _utterance_of(cut: Any) -> Utterance:
    recording = cut.recording
    place = str(recording.sources[0].source)
    if not place.isprintable() or place.rstrip().endswith("|"):
        raise ValueError(f"audio in {ascii(place[:60])}; expected the path of a file")
    if not (0 <= cut.start < float("inf") and 0 < cut.duration < float("inf")):
        raise ValueError(f"cut '{cut.id:.60}' begins at {cut.start:g} s and lasts {cut.duration:g} s")
    speakers = [str(own.speaker) for own in cut.supervisions if own.speaker]
    text = " ".join(own.text for own in cut.supervisions if own.text) or None
    is_whole = cut.start == 0 and abs(cut.duration - recording.duration) < 1 / recording.sampling_rate
    return Utterance(
        _word(cut.id),
        Path(place).absolute(),
        _word(speakers[0]) if speakers else "unknown",
        start=0.0 if is_whole else cut.start,
        duration=0.0 if is_whole else cut.duration,
        text=text,
        recording="" if is_whole else _word(recording.id),
    )


def find_huggingface(
    source: str | Path,
    audio_folder: str | Path,
    split: str | None = None,
    text_column: str | None = None,
    speaker_column: str | None = None,
) -> list[Utterance]:
    """List the rows of an audio data set that Hugging Face `datasets` saved in a folder (save_to_disk).

    Audio is not decoded: the files in the table are written as they are.

    Args:
        source: the folder.
        audio_folder: folder for the audio files.
        split: the split, if there are several.
        text_column: column of the transcripts; ``None``: the first of the usual names.
        speaker_column: column of the speakers; ``None``: the first of the usual names, or one speaker.

    Raises:
        MissingExtraError: without datasets.
        ConfigError: for a split or a column that is not there.
        DataError: if the folder is no data set, or has no audio.
    """
    rows, column = _open_dataset(corpus_root(source), split)
    texts = _column(rows.column_names, "--text-column", text_column, _TEXTS)
    speakers = _column(rows.column_names, "--speaker-column", speaker_column, _SPEAKERS)
    utterances, names = [], set()
    for number, row in enumerate(track(rows, "writing audio", len(rows))):
        audio: Mapping[str, Any] | None = row[column]
        name = _word(Path(str((audio or {}).get("path") or "")).stem)
        if not name or name in names:
            name = f"{name or 'row'}-{number:06d}"
        names.add(name)
        path = None if audio is None else _file_of(audio, Path(audio_folder) / name)
        if path is None:
            _logger.warning("%s: row %d has no audio; left out", source, number)
            continue
        speaker = _word(str(row[speakers])) if speakers and row[speakers] not in (None, "") else "unknown"
        text = str(row[texts]).strip() if texts and row[texts] else None
        utterances.append(Utterance(name, path, speaker, text=text))
    if not utterances:
        raise DataError(f"{source}: no row has audio")
    return utterances


def _open_dataset(folder: Path, split: str | None) -> tuple[Any, str]:
    """Return the rows of a data set, and its column of audio, not decoded."""
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingExtraError("datasets", "huggingface", "reading a data set of Hugging Face") from None
    try:
        _check_description(folder)
        found = datasets.load_from_disk(str(folder))
    except Exception as error:  # of pyarrow and datasets, whatever the version raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{folder}: not a data set that save_to_disk wrote ({reason:.200})") from None
    if isinstance(found, datasets.DatasetDict):
        if split not in found:
            raise ConfigError(f"--split {split or '(none)'}; {folder} has the splits {', '.join(found)}")
        found = found[split]
    columns = [name for name, kind in found.features.items() if isinstance(kind, datasets.Audio)]
    if not columns:
        raise DataError(f"{folder}: no column of audio among {', '.join(found.column_names)}")
    return found.cast_column(columns[0], datasets.Audio(decode=False)), columns[0]


def _check_description(folder: Path) -> None:
    """Raise ``ValueError`` or ``OSError`` for descriptions above the limits, or of files elsewhere."""
    splits = [""]
    if (folder / "dataset_dict.json").is_file():
        splits = [str(name) for name in read_json(folder / "dataset_dict.json")["splits"]]
    for split in splits:
        read_json(folder / split / "dataset_info.json")
        files = [str(entry["filename"]) for entry in read_json(folder / split / "state.json")["_data_files"]]
        for name in [split, *files]:
            if "/" in name or "\\" in name or name == "..":
                raise ValueError(f"it names '{name:.60}', which is not in the folder")
        for name in files:
            check_regular(folder / split / name)


def _column(present: Iterable[str], option: str, wanted: str | None, usual: Iterable[str]) -> str | None:
    present = list(present)
    if wanted is not None and wanted not in present:
        raise ConfigError(f"{option} {wanted}; the columns are {', '.join(present)}")
    return wanted or next((name for name in usual if name in present), None)


def _file_of(audio: Mapping[str, Any], place: Path) -> Path | None:
    """Return the file of a row; write it if the table contains it."""
    content, path = audio.get("bytes"), audio.get("path")
    if not content:
        return Path(path).absolute() if path and Path(path).is_file() else None
    if len(content) > limit("member"):
        raise DataError(f"{place.name}: its audio is {limit_error('member', len(content))}")
    suffix = next((kind for start, kind in _BEGINNINGS.items() if content.startswith(start)), Path(path or "").suffix)
    target = place.with_name(place.name + (suffix or ".wav")).absolute()
    with atomic_file(target) as temporary:
        temporary.write_bytes(content)
    return target


def _word(name: str) -> str:
    """Return a name without white space and slashes."""
    return "_".join(name.replace("/", "-").replace("\\", "-").split()).lstrip(".")
