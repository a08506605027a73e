"""Preparation of a capture: one recording of a device, checked, aligned, and split into training and validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recipes.data.effects.knob_tables import KNOBS_FILE, format_knob_table
from recipes.data.effects.pair_checks import check_files, read_channel
from recipes.data.effects.reamping import ReampingLayout
from recipes.data.effects.recorded import WET_FILE
from recipes.data.id_lists import format_file_list
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.text_files import write_texts
from vocoders.core.audio import audio_info, write_audio
from vocoders.core.errors import DataError

__all__ = ["LEAD_IN_SECONDS", "PreparedCapture", "prepare_capture"]

#: Audio before the validation part, which models hear and losses ignore.
LEAD_IN_SECONDS = 0.5
_VALIDATION_SECONDS, _VALIDATION_SHARE = 9.0, 0.1
_SHORTEST_SECONDS = 5.0
# The device has done the same twice if the passages differ by less than this (error-to-signal ratio).
_MOST_CHANGE = 0.01
_NAME = "capture"


@dataclass(frozen=True)
class PreparedCapture:
    """Data directories of a capture, and notes for the owner of the recording."""

    directories: list[KaldiDirectory]
    notes: list[str]


def prepare_capture(
    dry: Path, wet: Path, folder: Path, delay: int | None = None, channel: int | None = None
) -> PreparedCapture:
    """Check and align a recording, and write ``folder/train``, ``folder/dev`` and ``folder/test``, which is ``dev``.

    The last 9 s (a tenth of a short recording) are for validation, and the part from the blips on for training if the
    dry audio is a reamping signal, else all before.

    Args:
        dry: what was played through the device.
        wet: what was recorded.
        folder: for the data directories and the aligned audio.
        delay: samples by which the wet audio is late; ``None``: as measured.
        channel: channel to use of files with several, from 1.

    Raises:
        DataError: if the recording cannot be used, with the cause that it probably has.
    """
    check = check_files(dry, wet, align=True, channel=channel)
    if check.reason is not None:
        raise DataError(f"{wet}: {check.reason}")
    rate = audio_info(dry).sample_rate
    shift = check.shift if delay is None else delay
    sides = {name: read_channel(path, name, channel) for name, path in (("dry", dry), ("wet", wet))}
    layout = ReampingLayout.of(sides["dry"], rate)
    before = max(-shift, 0)
    sides = {"dry": sides["dry"][before:], "wet": sides["wet"][max(shift, 0) :]}
    length = min(map(len, sides.values()))
    sides = {name: audio[:length] for name, audio in sides.items()}
    if length < _SHORTEST_SECONDS * rate:
        raise DataError(f"{wet}: {length / rate:.1f} s in common with {dry}; expected {_SHORTEST_SECONDS:g} s or more")
    notes = list(check.notes)
    if layout is not None:
        notes += _compare_passages(sides["wet"], layout, before)
    parts = _split(length, rate, layout, before)
    return PreparedCapture(_write(sides, rate, parts, folder), notes)


def _compare_passages(wet: np.ndarray, layout: ReampingLayout, before: int) -> list[str]:
    """Return a note if the device did not do the same in both validation passages."""
    start, stop = max(before, round(LEAD_IN_SECONDS * layout.rate)), layout.passages[0].stop
    apart = layout.passages[1].start
    first, last = wet[start - before : stop - before], wet[apart + start - before : apart + stop - before]
    size = min(len(first), len(last))
    change = float(np.square(first[:size] - last[:size]).sum() / max(np.square(last[:size]).sum(), 1e-30))
    if change <= _MOST_CHANGE:
        return []
    return [
        f"the device answered the same passage differently at the start and at the end (ESR {change:.3f}; expected "
        f"{_MOST_CHANGE:g} or less): is there noise, an echo or a modulation, was a knob moved, was an amplifier cold?"
    ]


def _split(length: int, rate: int, layout: ReampingLayout | None, before: int) -> dict[str, tuple[int, int]]:
    """Return first and last sample of each part; the validation part begins with the lead-in."""
    lead_in = round(LEAD_IN_SECONDS * rate)
    if layout is None:
        share = min(round(_VALIDATION_SECONDS * rate), round(_VALIDATION_SHARE * length))
        start, first = length - share - lead_in, 0
    else:
        start, first = layout.passages[1].start - lead_in - before, max(layout.first_trained - before, 0)
    if length - start < lead_in + rate // 2:
        raise DataError("the wet audio ends before the validation passage; record the signal to its end")
    return {"train": (first, start), "dev": (start, length), "test": (start, length)}


def _write(
    sides: Mapping[str, np.ndarray], rate: int, parts: Mapping[str, tuple[int, int]], folder: Path
) -> list[KaldiDirectory]:
    paths = {name: (folder / f"audio/{_NAME}.{name}.wav").resolve() for name in sides}
    for name, audio in sides.items():
        write_audio(paths[name], torch.from_numpy(audio.copy()), rate, "FLOAT")
    directories = []
    for part, (start, stop) in parts.items():
        name = f"{_NAME}-{part}"
        utterance = Utterance(
            name, paths["dry"], "device", start=start / rate, duration=(stop - start) / rate, recording=_NAME
        )
        directories.append(KaldiDirectory.write(folder / part, [utterance]))
        texts = {WET_FILE: format_file_list({name: paths["wet"]}), KNOBS_FILE: format_knob_table({name: {}})}
        write_texts(folder / part, texts)
    return directories
