"""Preparation of data directories from recorded pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recipes.data.effects.knob_tables import KNOBS_FILE, format_knob_table
from recipes.data.effects.pairs import RecordedPair, check_pair
from recipes.data.effects.recorded import WET_FILE
from recipes.data.id_lists import can_be_listed, format_file_list
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.text_files import write_texts
from recipes.progress import track
from vocoders.core.audio import audio_info
from vocoders.core.errors import DataError

__all__ = ["PreparedPairs", "prepare_pairs"]


@dataclass(frozen=True)
class PreparedPairs:
    """Data directories written, pairs left out with reasons, and notes."""

    directories: list[KaldiDirectory]
    skipped: list[tuple[str, str]]
    notes: list[tuple[str, str]]


def prepare_pairs(pairs: Sequence[RecordedPair], folder: Path) -> PreparedPairs:
    """Check pairs and write ``folder/train``, ``folder/dev`` and ``folder/test``.

    Raises:
        DataError: if no pair is usable, or two pairs have different knobs.
    """
    for pair in pairs:
        if lacking := sorted(pairs[0].settings.keys() ^ pair.settings.keys()):
            raise DataError(
                f"pairs '{pairs[0].name}' and '{pair.name}' have different knobs; one lacks {', '.join(lacking)}: "
                "fill the empty cells"
            )
    kept: dict[str, list[RecordedPair]] = {}
    skipped, notes = [], []
    for pair in track(iter(pairs), "checking pairs", len(pairs)):
        reason, remarks = check_pair(pair)
        if not all(can_be_listed(path.resolve()) for path in (pair.dry, pair.wet)):
            reason = "a file name that cannot stand in wav.scp (line break, '|' or not UTF-8); rename it"
        notes += [(pair.name, remark) for remark in remarks]
        if reason is not None:
            skipped.append((pair.name, reason))
        else:
            kept.setdefault(pair.part, []).append(pair)
    if not kept:
        raise DataError(f"no pair can be used; the first, '{skipped[0][0]}': {skipped[0][1]}")
    directories = [_write(kept[part], folder / part) for part in ("train", "dev", "test") if part in kept]
    return PreparedPairs(directories, skipped, notes)


def _write(pairs: Sequence[RecordedPair], folder: Path) -> KaldiDirectory:
    utterances = [
        Utterance(pair.name, pair.dry.resolve(), "device", duration=audio_info(pair.dry).duration) for pair in pairs
    ]
    directory = KaldiDirectory.write(folder, utterances)
    texts = {
        WET_FILE: format_file_list({pair.name: pair.wet.resolve() for pair in pairs}),
        KNOBS_FILE: format_knob_table({pair.name: pair.settings for pair in pairs}),
    }
    write_texts(folder, texts)
    return directory
