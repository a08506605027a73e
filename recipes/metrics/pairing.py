"""Pairing of generated files with references: by relative path, by file stem, or by the ids of a wav.scp."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from recipes.data.id_lists import read_file_list
from recipes.data.kaldi import KaldiDirectory
from vocoders.core.audio_formats import list_audio, reason_to_leave_out
from vocoders.core.errors import DataError

__all__ = ["Clip", "Pair", "Pairing", "find_clips", "find_pairs"]


@dataclass(frozen=True, slots=True)
class Clip:
    """An audio file, or a part of one.

    Attributes:
        path: the file.
        start: first second of the part.
        duration: length of the part in seconds; ``None``: up to the end.
    """

    path: Path
    start: float = 0.0
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A generated clip of a system, its reference, and the input of the effect if there is one."""

    system: str
    utt_id: str
    reference: Clip
    generated: Clip
    dry: Clip | None = None


@dataclass(frozen=True)
class Pairing:
    """The pairs of one system, and clips without a partner.

    Attributes:
        pairs: sorted by utterance id.
        missing: ids of references without a generated file.
        surplus: ids of generated files without a reference.
    """

    pairs: tuple[Pair, ...]
    missing: tuple[str, ...]
    surplus: tuple[str, ...]


def find_clips(source: str | Path) -> dict[str, Clip]:
    """Return the clips of a folder, a Kaldi data directory or a wav.scp, by id.

    In a folder, which is searched with its subfolders, the id is the relative path without the suffix. A file that
    cannot be read here stands for its id if no other does: whoever reads it is told why.

    Raises:
        DataError: if there is no such source, no audio in it, or one id twice.
    """
    source = Path(source)
    if source.is_file():
        return _read_scp(source)
    if not source.is_dir():
        raise DataError(f"{source}: no such folder or wav.scp")
    if (source / "wav.scp").is_file():
        return {
            u.utt_id: Clip(u.path, u.start, u.duration if u.recording else None)
            for u in KaldiDirectory.read(source, check_files=False)
        }
    clips: dict[str, Clip] = {}
    for path in list_audio(source):
        utt_id = path.relative_to(source).with_suffix("").as_posix()
        if utt_id in clips:
            if reason_to_leave_out(path):
                continue
            raise DataError(f"{source}: '{clips[utt_id].path.name}' and '{path.name}' have one name; keep one of them")
        clips[utt_id] = Clip(path)
    if not clips:
        raise DataError(f"{source}: no audio in this folder; expected wav, flac, ogg, mp3 ... files")
    return clips


def find_pairs(reference: str | Path, generated: str | Path, system: str, dry: str | Path | None = None) -> Pairing:
    """Pair the clips of one system with their references, and with the inputs of an effect if ``dry`` names them.

    Equal ids form a pair; else equal last parts of the ids (a flat folder of generated files and
    a corpus in speaker folders), if that is unique on both sides.

    Raises:
        DataError: as :func:`find_clips`, and if there is no pair.
    """
    references, candidates = find_clips(reference), find_clips(generated)
    partners = _partners(references, candidates)
    inputs = find_clips(dry) if dry is not None else {}
    dry_partners = _partners(references, inputs)
    pairs = [
        Pair(system, utt_id, references[utt_id], candidates[found], inputs.get(dry_partners.get(utt_id, "")))
        for utt_id, found in partners.items()
    ]
    used = set(partners.values())
    if inputs and not dry_partners:
        raise DataError(
            f"no file of {dry} has the name of a reference: found '{min(inputs)}' there and '{min(references)}' in "
            f"{reference}; --dry is the folder of what went into the effect"
        )
    if not pairs:
        raise DataError(
            f"no file of {generated} has the name of a reference: found '{min(candidates)}' there and "
            f"'{min(references)}' in {reference}; equal names (without the suffix) are expected"
        )
    paired = {pair.utt_id for pair in pairs}
    return Pairing(
        tuple(pairs),
        tuple(sorted(references.keys() - paired)),
        tuple(sorted(candidates.keys() - used)),
    )


def _partners(references: dict[str, Clip], candidates: dict[str, Clip]) -> dict[str, str]:
    """Map reference ids, sorted, to the candidate of the same id, or else of the same last part; each at most once."""
    short_references, short_candidates = _by_stem(references), _by_stem(candidates)
    partners: dict[str, str] = {}
    used: set[str] = set()
    for utt_id in sorted(references):
        found = utt_id if utt_id in candidates else None
        if found is None and short_references.get(_stem(utt_id)) == utt_id:
            found = short_candidates.get(_stem(utt_id))
        if found is not None and found not in used:
            used.add(found)
            partners[utt_id] = found
    return partners


def _stem(utt_id: str) -> str:
    return utt_id.rpartition("/")[2]


def _by_stem(clips: dict[str, Clip]) -> dict[str, str]:
    """Map the last part of each id to the id, if it is unique."""
    counts = Counter(map(_stem, clips))
    return {_stem(utt_id): utt_id for utt_id in clips if counts[_stem(utt_id)] == 1}


def _read_scp(path: Path) -> dict[str, Clip]:
    clips = {utt_id: Clip(file) for utt_id, file in read_file_list(path, "list of audio files").items()}
    if not clips:
        raise DataError(f"{path}: contains no line; expected '<id> <audio file>'")
    return clips
