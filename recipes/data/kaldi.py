"""Kaldi data directories: the manifest of every recipe.

A directory contains ``wav.scp`` (recording, path), ``utt2spk`` (utterance, speaker), ``spk2utt`` (its inverse), and
optionally ``utt2dur`` (utterance, seconds), ``text`` (utterance, transcript) and ``segments`` (utterance, recording,
start and end in seconds). Without ``segments`` each recording is one utterance of the same id. Every file is sorted by
id in the C locale. A relative path in ``wav.scp`` is relative to the working directory, as in Kaldi, or if nothing is
there, to the data directory.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recipes.data.id_lists import format_file_list, format_id_list, read_file_list, read_id_list
from recipes.data.text_files import write_texts
from vocoders.core.errors import DataError
from vocoders.core.numbers import split_number

__all__ = ["SHARDS_FILE", "KaldiDirectory", "Utterance", "speakers_of"]

SHARDS_FILE = "shards.json"
"""The index of a folder that holds shards instead, see :mod:`recipes.data.shards.index`."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance of a data directory.

    Attributes:
        utt_id: unique id; also a file name, so without white space and slashes.
        path: audio file.
        speaker: speaker id.
        start: first second of the utterance in the file.
        duration: in seconds; 0 if not yet known.
        text: transcript, if there is one.
        recording: id of the recording if the utterance is a segment of the file; empty for a whole file.
    """

    utt_id: str
    path: Path
    speaker: str
    start: float = 0.0
    duration: float = 0.0
    text: str | None = None
    recording: str = ""


@dataclass(frozen=True)
class KaldiDirectory:
    """A data directory and its utterances, sorted by id."""

    path: Path
    utterances: tuple[Utterance, ...]

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        """Iterate over the utterances."""
        return iter(self.utterances)

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speaker ids, sorted."""
        return tuple(sorted(speakers_of(self.utterances)))

    @property
    def duration(self) -> float:
        """Total duration in seconds."""
        return sum(utterance.duration for utterance in self.utterances)

    @classmethod
    def read(cls, path: str | Path, check_files: bool = True) -> "KaldiDirectory":
        """Read and validate a data directory.

        Args:
            path: the directory.
            check_files: also check that every audio file exists.

        Raises:
            DataError: with file, line and cause; see :meth:`validate`.
        """
        path = Path(path)
        if not path.is_dir():
            raise DataError(f"{path}: no such data directory; make one with 'ondes prepare'")
        if (path / SHARDS_FILE).is_file():
            raise DataError(f"{path} holds shards, which only data.train takes; expected a Kaldi data directory")
        _check_presence(path, "wav.scp", "utt2spk")
        recordings = read_file_list(path / "wav.scp", "list of audio files", in_order=True)
        spans = _read_segments(path, recordings)
        speakers = _read_table(path / "utt2spk")
        _check_same_ids(path / "utt2spk", speakers, "segments" if spans else "wav.scp", spans or recordings)
        durations = _read_table(path / "utt2dur")
        if durations:
            _check_same_ids(path / "utt2dur", durations, "utt2spk", speakers)
        texts = _read_table(path / "text", empty_values=True)
        strangers = sorted(texts.keys() - speakers.keys())
        if strangers:
            raise DataError(f"{path / 'text'}: {_some(strangers)} not in utt2spk; remove these lines")
        utterances = []
        for utt_id, speaker in speakers.items():
            recording, start, end = spans[utt_id] if spans else ("", 0.0, 0.0)
            duration = end - start
            if durations and not spans:
                duration = _seconds(path / "utt2dur", utt_id, durations[utt_id])
            location = recordings[recording or utt_id]
            utterances.append(Utterance(utt_id, location, speaker, start, duration, texts.get(utt_id), recording))
        directory = cls(path, tuple(utterances))
        directory.validate(check_files)
        directory._check_speaker_list()
        return directory if durations or spans else directory._with_durations()

    @classmethod
    def write(cls, path: str | Path, utterances: Iterable[Utterance]) -> "KaldiDirectory":
        """Write a data directory; leave files that are already correct unchanged.

        Args:
            path: the directory; created if missing.
            utterances: in any order.

        Raises:
            DataError: for duplicate or invalid ids, an empty list, or an error while writing.
        """
        directory = cls(Path(path), tuple(sorted(utterances, key=lambda utterance: utterance.utt_id)))
        directory.validate(check_files=False)
        members = speakers_of(directory.utterances)
        texts = {u.utt_id: " ".join(u.text.split()) for u in directory if u.text is not None}
        segments = {u.utt_id: f"{_recording(u)} {u.start:.6f} {u.start + u.duration:.6f}" for u in directory}
        segmented = any(u.recording for u in directory)
        durations = {u.utt_id: f"{u.duration:.6f}" for u in directory if u.duration > 0}
        spoken = {speaker: " ".join(u.utt_id for u in own) for speaker, own in members.items()}
        write_texts(
            directory.path,
            {
                "utt2spk": format_id_list({u.utt_id: u.speaker for u in directory}),
                "spk2utt": format_id_list(spoken),
                "utt2dur": format_id_list(durations) if len(durations) == len(directory) else None,
                "text": format_id_list(texts) if texts else None,
                "segments": format_id_list(segments) if segmented else None,
                "wav.scp": format_file_list({_recording(u): u.path for u in directory}),
            },
        )
        return directory

    def validate(self, check_files: bool = True) -> None:
        """Validate the utterances.

        Raises:
            DataError: for an empty list, ids that are repeated, out of order or invalid as file names, empty
                speakers, bad times, one recording id with two paths, or (``check_files``) missing audio files.
        """
        if not self.utterances:
            raise DataError(f"{self.path}: contains no utterance; prepare the corpus again")
        previous = ""
        paths: dict[str, Path] = {}
        for utterance in self.utterances:
            _check_utterance(self.path, utterance)
            if utterance.utt_id == previous:
                raise DataError(f"{self.path}: utterance '{previous}' occurs twice; ids must be unique")
            if utterance.utt_id < previous:
                raise DataError(f"{self.path}: '{utterance.utt_id}' stands after '{previous}'; sort with LC_ALL=C")
            previous = utterance.utt_id
            if paths.setdefault(_recording(utterance), utterance.path) != utterance.path:
                raise DataError(f"{self.path}: recording '{_recording(utterance)}' has two paths; ids must be unique")
        if check_files:
            missing = sorted({str(path) for path in paths.values() if not path.is_file()})
            if missing:
                raise DataError(
                    f"{self.path / 'wav.scp'}: no such audio file {_some(missing)}; prepare the corpus again, "
                    f"relative paths count from {os.getcwd()} or {self.path}"
                )

    def subset(
        self,
        *,
        utt_ids: Iterable[str] | None = None,
        speakers: Iterable[str] | None = None,
        min_duration: float = 0.0,
        max_duration: float = float("inf"),
        count: int | None = None,
    ) -> tuple[Utterance, ...]:
        """Return the utterances that meet every condition, at most ``count`` of them, in order.

        Raises:
            DataError: if an id or a speaker is not in this directory.
        """
        ids = None if utt_ids is None else set(utt_ids)
        voices = None if speakers is None else set(speakers)
        known = {utterance.utt_id for utterance in self.utterances}
        for name, found, expected in (("utterance", ids, known), ("speaker", voices, set(self.speakers))):
            unknown = sorted((found or set()) - expected)
            if unknown:
                raise DataError(f"{self.path}: no {name} {_some(unknown)} in this data directory")
        chosen = [
            u
            for u in self.utterances
            if (ids is None or u.utt_id in ids)
            and (voices is None or u.speaker in voices)
            and min_duration <= u.duration <= max_duration
        ]
        return tuple(chosen[:count])

    def _with_durations(self) -> "KaldiDirectory":
        from vocoders.core.audio import audio_info

        timed = [replace(utterance, duration=audio_info(utterance.path).duration) for utterance in self.utterances]
        return replace(self, utterances=tuple(timed))

    def _check_speaker_list(self) -> None:
        path = self.path / "spk2utt"
        if not path.exists():
            return
        expected = {s: [u.utt_id for u in own] for s, own in speakers_of(self.utterances).items()}
        found = {speaker: members.split() for speaker, members in _read_table(path).items()}
        for speaker in sorted(expected.keys() | found.keys()):
            if sorted(found.get(speaker, [])) != expected.get(speaker, []):
                raise DataError(f"{path}: speaker '{speaker}' does not agree with utt2spk; remove spk2utt")


def speakers_of(utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """Return the utterances of each speaker, in order."""
    speakers: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        speakers.setdefault(utterance.speaker, []).append(utterance)
    return speakers


def _recording(utterance: Utterance) -> str:
    return utterance.recording or utterance.utt_id


def _check_utterance(directory: Path, utterance: Utterance) -> None:
    for name, value in (("utterance", utterance.utt_id), ("recording", _recording(utterance))):
        if not value or value != "".join(value.split()) or "/" in value or "\\" in value or value.startswith("."):
            raise DataError(f"{directory}: {name} id '{value}'; expected no white space, no slash and no leading dot")
    if not utterance.speaker or utterance.speaker != "".join(utterance.speaker.split()):
        raise DataError(f"{directory}: '{utterance.utt_id}' has the speaker '{utterance.speaker}'; expected one word")
    if utterance.start < 0 or utterance.duration < 0 or (utterance.recording and utterance.duration == 0):
        raise DataError(
            f"{directory}: '{utterance.utt_id}' starts at {utterance.start:g} s and lasts {utterance.duration:g} s; "
            "expected a start from 0 on and a positive duration"
        )


def _check_presence(folder: Path, *names: str) -> None:
    for name in names:
        if not (folder / name).is_file():
            raise DataError(f"{folder / name}: not there; a data directory needs {' and '.join(names)}")


def _read_table(path: Path, empty_values: bool = False) -> dict[str, str]:
    """Read a sorted list of ids and values; a missing file is an empty list."""
    return read_id_list(path, "list", empty_values=empty_values, in_order=True) if path.exists() else {}


def _read_segments(directory: Path, recordings: dict[str, Path]) -> dict[str, tuple[str, float, float]]:
    path = directory / "segments"
    spans: dict[str, tuple[str, float, float]] = {}
    for utt_id, value in _read_table(path).items():
        fields = value.split()
        if len(fields) != 3:
            raise DataError(f"{path}: '{utt_id} {value}'; expected utterance, recording, start and end")
        if fields[0] not in recordings:
            raise DataError(f"{path}: '{utt_id}' is cut from '{fields[0]}', which wav.scp lacks; add it there")
        start, end = (_seconds(path, utt_id, field) for field in fields[1:])
        if end <= start:
            raise DataError(f"{path}: '{utt_id}' ends at {end:g} s, not after its start at {start:g} s")
        spans[utt_id] = (fields[0], start, end)
    return spans


def _check_same_ids(path: Path, table: Mapping[str, object], other_name: str, other: Mapping[str, object]) -> None:
    lacking, strange = sorted(other.keys() - table.keys()), sorted(table.keys() - other.keys())
    if lacking:
        raise DataError(f"{path}: lacks {_some(lacking)} of {other_name}; both must hold the same ids")
    if strange:
        raise DataError(f"{path}: {_some(strange)} not in {other_name}; both must hold the same ids")


def _seconds(path: Path, utt_id: str, value: str) -> float:
    found = split_number(value)
    seconds = float(found[0]) if found is not None and not found[1] else float("nan")
    if not 0 <= seconds < float("inf"):
        raise DataError(f"{path}: '{utt_id}' has the time '{value}'; expected seconds")
    return seconds


def _some(names: Sequence[str], shown: int = 3) -> str:
    rest = len(names) - shown
    return ", ".join(f"'{name}'" for name in names[:shown]) + (f" and {rest} more" if rest > 0 else "")
