"""Preparation of data directories from recorded pairs.

Pairs that are repaired (a delay, a channel) are written to ``audio`` in the folder of the data directories.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from recipes.data.effects.knob_tables import KNOBS_FILE, format_knob_table
from recipes.data.effects.pair_checks import Check, check_files, read_channel
from recipes.data.effects.pairs import RecordedPair
from recipes.data.effects.recorded import WET_FILE
from recipes.data.id_lists import can_be_listed, format_file_list
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.text_files import write_texts
from recipes.progress import track
from vocoders.core.audio import audio_info, write_audio
from vocoders.core.errors import DataError

__all__ = ["PreparedPairs", "prepare_pairs", "repair_pair"]


@dataclass(frozen=True)
class PreparedPairs:
    """Data directories written, pairs left out with reasons, and notes."""

    directories: list[KaldiDirectory]
    skipped: list[tuple[str, str]]
    notes: list[tuple[str, str]]


def prepare_pairs(
    pairs: Sequence[RecordedPair], folder: Path, align: bool = False, channel: int | None = None
) -> PreparedPairs:
    """Check pairs and write ``folder/train``, ``folder/dev`` and ``folder/test``.

    Args:
        pairs: the pairs.
        folder: for the data directories.
        align: repair delays of any number of samples.
        channel: channel to use of files with several, from 1.

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
        check = check_files(pair.dry, pair.wet, align, channel)
        if not all(can_be_listed(path.resolve()) for path in (pair.dry, pair.wet)):
            check.reason = "a file name that cannot stand in wav.scp (line break, '|' or not UTF-8); rename it"
        notes += [(pair.name, note) for note in check.notes]
        if check.reason is not None:
            skipped.append((pair.name, check.reason))
        else:
            kept.setdefault(pair.part, []).append(repair_pair(pair, check, channel, folder / "audio"))
    if not kept:
        raise DataError(f"no pair can be used; the first, '{skipped[0][0]}': {skipped[0][1]}")
    directories = [_write(kept[part], folder / part) for part in ("train", "dev", "test") if part in kept]
    return PreparedPairs(directories, skipped, notes)


def repair_pair(pair: RecordedPair, check: Check, channel: int | None, folder: Path) -> RecordedPair:
    """Return a pair of aligned mono files in ``folder``, or the pair itself if nothing needs repair."""
    several = channel is not None and any(audio_info(path).channels > 1 for path in (pair.dry, pair.wet))
    if not (check.shift or several):
        return pair
    rate = audio_info(pair.dry).sample_rate
    dry, wet = (read_channel(path, name, channel) for path, name in ((pair.dry, "dry"), (pair.wet, "wet")))
    dry, wet = dry[max(-check.shift, 0) :], wet[max(check.shift, 0) :]
    length = min(len(dry), len(wet))
    paths = [folder / f"{pair.name}.{side}.wav" for side in ("dry", "wet")]
    for path, audio in zip(paths, (dry, wet), strict=True):
        write_audio(path, torch.from_numpy(audio[:length].copy()), rate, "FLOAT")
    return replace(pair, dry=paths[0], wet=paths[1])


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
