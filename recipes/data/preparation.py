"""Preparation of a Kaldi data directory: check every file of a corpus, leave out bad ones and list them."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from recipes.data.checking import AudioCheck, check_audio
from recipes.data.id_lists import can_be_listed
from recipes.data.kaldi import KaldiDirectory, Utterance, speakers_of
from recipes.data.parallel import DIED, map_parallel
from recipes.data.text_files import write_texts
from vocoders.core.errors import ConfigError, DataError
from vocoders.core.tables import format_table

__all__ = ["Preparation", "prepare", "split"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preparation:
    """Result of preparing a corpus.

    Attributes:
        directories: the data directories written, by name (``""`` if the corpus was not split).
        skipped: (path, reason) of every file left out; also in ``skipped.tsv``.
    """

    directories: dict[str, KaldiDirectory]
    skipped: tuple[tuple[str, str], ...]


def prepare(
    utterances: Sequence[Utterance],
    data_dir: str | Path,
    *,
    nj: int = 1,
    decode: bool = True,
    min_duration: float = 0.1,
    dev: int = 0,
    test: int = 0,
    split_by: Literal["utterance", "speaker"] = "utterance",
) -> Preparation:
    """Check the utterances from a corpus reader and write the data directory.

    Args:
        utterances: whole files, whose durations are filled in here, or segments of files.
        data_dir: folder to write. With ``dev`` or ``test`` it gets the folders ``train``, ``dev`` and ``test``,
            else it is the data directory itself. ``skipped.tsv`` lists skipped files with reasons.
        nj: number of processes.
        decode: decode each file as a check; else read only headers.
        min_duration: shortest utterance in seconds.
        dev: number of utterances (or speakers) for ``dev``.
        test: the same for ``test``.
        split_by: unit of ``dev`` and ``test``.

    Raises:
        DataError: if no utterance is left.
    """
    data_dir = Path(data_dir)
    check = partial(_check, decode=decode, min_duration=min_duration)
    files = list({utterance.path: utterance for utterance in utterances}.values())
    checked = map_parallel(check, files, nj, "checking audio", chunk_size=16, lost=_lost)
    by_file = {utterance.path: found for utterance, found in zip(files, checked, strict=True)}
    kept: list[Utterance] = []
    skipped: list[tuple[str, str]] = []
    formats: Counter[str] = Counter()
    seen: set[str] = set()
    for utterance in utterances:
        found = by_file[utterance.path]
        problem = found.problem or _problem_of_segment(utterance, found.duration, min_duration)
        problem = problem or (f"second file with the id {utterance.utt_id}" if utterance.utt_id in seen else "")
        if problem:
            skipped.append((str(utterance.path), problem))
            continue
        seen.add(utterance.utt_id)
        kept.append(utterance if utterance.recording else replace(utterance, duration=found.duration))
        formats[f"{found.sample_rate} Hz, {found.channels} channel{'s' if found.channels > 1 else ''}"] += 1
    report = format_table(("path", "reason"), ((_printable(path), why) for path, why in sorted(skipped)), "\t")
    write_texts(data_dir, {"skipped.tsv": report})
    if not kept:
        report_path = data_dir / "skipped.tsv"
        raise DataError(
            f"{data_dir}: none of {len(utterances)} files can be used: {_summary(skipped)}; {report_path} lists them"
        )
    parts = split(kept, dev, test, split_by) if dev or test else {"": kept}
    directories = {name: KaldiDirectory.write(data_dir / name, part) for name, part in parts.items()}
    for directory in directories.values():
        logger.info(
            "%s: %d utterances of %d speakers, %.2f h",
            directory.path, len(directory), len(directory.speakers), directory.duration / 3600,
        )  # fmt: skip
    logger.info("formats: %s", "; ".join(f"{name} ({count} files)" for name, count in formats.most_common()))
    if skipped:
        logger.warning("skipped %d files (%s); see %s", len(skipped), _summary(skipped), data_dir / "skipped.tsv")
    return Preparation(directories, tuple(sorted(skipped)))


def split(
    utterances: Sequence[Utterance], dev: int, test: int, by: Literal["utterance", "speaker"] = "utterance"
) -> dict[str, list[Utterance]]:
    """Divide utterances into disjoint ``train``, ``dev`` and ``test`` lists; empty lists are left out.

    The choice depends only on the ids (a hash orders them), so files added to a corpus later do not reshuffle the rest.

    Raises:
        ConfigError: if a count is negative or nothing is left for ``train``.
    """
    key: Callable[[Utterance], str] = (lambda u: u.speaker) if by == "speaker" else (lambda u: u.utt_id)
    groups = speakers_of(utterances).keys() if by == "speaker" else [u.utt_id for u in utterances]
    if min(dev, test) < 0 or dev + test >= len(groups):
        raise ConfigError(
            f"dev {dev} and test {test} of {len(groups)} {by}s; expected counts from 0 on that leave some "
            "for train (--dev and --test; in recipes --num_dev and --num_test)"
        )
    ordered = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest())
    part_of = {name: "dev" if i < dev else "test" if i < dev + test else "train" for i, name in enumerate(ordered)}
    parts: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for utterance in utterances:
        parts[part_of[key(utterance)]].append(utterance)
    return {name: part for name, part in parts.items() if part}


def _check(utterance: Utterance, decode: bool, min_duration: float) -> AudioCheck:
    if not can_be_listed(utterance.path):
        return AudioCheck(problem="the file name cannot stand in wav.scp (line break, '|' or not UTF-8); rename it")
    name = utterance.utt_id
    if name != "".join(name.split()) or name.startswith("."):
        return AudioCheck(problem="the file name cannot be an id (white space or leading dot); rename it")
    return check_audio(utterance.path, decode, min_duration)


def _lost(utterance: Utterance) -> AudioCheck:
    return AudioCheck(problem=DIED)


def _problem_of_segment(utterance: Utterance, file_seconds: float, min_duration: float) -> str:
    """Return why a segment cannot be used; empty if it can, or is a whole file."""
    if not utterance.recording:
        return ""
    end = utterance.start + utterance.duration
    if end > file_seconds + 0.01:
        return f"a segment ends after the file (at {end:.3f} of {file_seconds:.3f} s)"
    if utterance.duration < min_duration:
        return f"too short (a segment of {utterance.duration:.3f} s, at least {min_duration:g} s)"
    return ""


def _printable(path: str) -> str:
    """Return a path as one line of UTF-8, for any bytes in its name."""
    return "".join(path.encode("utf-8", "replace").decode().splitlines())


def _summary(skipped: Sequence[tuple[str, str]]) -> str:
    counts = Counter(reason.partition(" (")[0].partition(" with the id")[0] for _, reason in skipped)
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
