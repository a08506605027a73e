"""Checks of a recorded pair for common faults: silence, channels, delay, polarity, clipping, clocks, an unrelated take.

What can be repaired without a new recording is repaired on request: a delay, and the choice of a channel.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recipes.data.effects.alignment import Delay, find_delay
from vocoders.core.audio import audio_info, read_audio
from vocoders.core.errors import DataError, OndesError

__all__ = ["Check", "check_files", "read_channel"]

_CHECKED_SECONDS = 30.0
_MOST_DIFFERENCE_SECONDS = 0.5
_SILENCE = 1e-4
_CLIPPED_RUN = 8
# Channels are equal if they differ by less than this fraction of their level.
_EQUAL = 1e-3
# Below this, the peak of the response is that of two unrelated recordings (at most 9 among takes of instruments).
_LEAST_CLARITY = 12.0
# Delays in samples: those without a word, and those of filters, which get a note; the estimate varies by as much.
_EXACT, _TOLERATED = (-1, 4), (-8, 32)
_MOST_DRIFT = 2
_SAME_END_SECONDS = 0.01


@dataclass
class Check:
    """The result of a check.

    Attributes:
        reason: why the pair is unusable; ``None`` if it is usable.
        notes: what its owner should know.
        shift: number of samples to cut from the start of the wet audio, or of the dry audio if negative.
        delay: the delay that was found.
    """

    reason: str | None = None
    notes: list[str] = field(default_factory=list)
    shift: int = 0
    delay: Delay | None = None


def check_files(dry: Path, wet: Path, align: bool = False, channel: int | None = None) -> Check:
    """Check the files of a pair.

    Args:
        dry: input of the device.
        wet: output of the device.
        align: find the shift that repairs a delay, instead of refusing the pair.
        channel: channel to use of files with several, from 1; ``None``: their mean, if they are equal.
    """
    check = Check()
    try:
        infos = [audio_info(path) for path in (dry, wet)]
        rates, lengths = {info.sample_rate for info in infos}, [info.frames for info in infos]
        if len(rates) > 1:
            raise DataError(f"rates differ: {' and '.join(f'{rate} Hz' for rate in sorted(rates))}")
        rate = rates.pop()
        if abs(lengths[0] - lengths[1]) > _MOST_DIFFERENCE_SECONDS * rate and not align:
            raise DataError(
                f"dry audio of {lengths[0]} samples and wet audio of {lengths[1]}; cut both to the same piece"
            )
        frames = min(*lengths, round(_CHECKED_SECONDS * rate))
        sides = [read_channel(path, name, channel, 0, frames) for path, name in ((dry, "dry"), (wet, "wet"))]
        check.delay = _check_delay(check, sides[0], sides[1], rate, align)
        first = min(lengths[0] + min(check.shift, 0), lengths[1] - max(check.shift, 0)) - frames
        if first > frames:
            last = [read_channel(path, name, channel, first, frames) for path, name in ((dry, "dry"), (wet, "wet"))]
            _check_clocks(check, check.delay, last[0], last[1], rate)
        _check_end(check, lengths, rate)
        if _has_clipping(sides[1]) and not _has_clipping(sides[0]):
            check.notes.append("the wet audio clips; was the recording level too high?")
    except OndesError as error:
        check.reason = str(error)
    return check


def read_channel(path: Path, name: str, channel: int | None, start: int = 0, frames: int = -1) -> np.ndarray:
    """Return one channel (T,) float32 of a file: the only one, the chosen one, or the mean if all are equal.

    Raises:
        DataError: if channels differ and none is chosen.
    """
    audio = read_audio(path, start=start, frames=frames)[0].numpy()
    count = len(audio)
    if count == 1:
        return audio[0]
    if channel is not None:
        if not 1 <= channel <= count:
            raise DataError(f"the {name} audio has {count} channels; --channel {channel} is not one of them")
        return audio[channel - 1]
    levels = np.sqrt(np.square(audio, dtype=np.float64).mean(axis=1))
    empty = [number for number, peak in enumerate(np.abs(audio).max(axis=1, initial=0.0), 1) if peak < _SILENCE]
    if 0 < len(empty) < count:
        names = ", ".join(map(str, empty))
        raise DataError(
            f"the {name} audio has {count} channels, and channel {names} is empty; export it in mono, or pass "
            f"--channel {int(levels.argmax()) + 1}"
        )
    differences = np.sqrt(np.square(audio - audio[:1], dtype=np.float64).mean(axis=1))
    if differences.max() > _EQUAL * levels.max():
        raise DataError(
            f"the {name} audio has {count} different channels, and a model learns one; export it in mono, or pass "
            "--channel 1"
        )
    return audio[0]


def _check_delay(check: Check, dry: np.ndarray, wet: np.ndarray, rate: int, align: bool) -> Delay:
    """Add notes about the delay and the polarity, and set the shift; refuse what cannot be used."""
    for name, audio in (("dry", dry), ("wet", wet)):
        if np.abs(audio).max(initial=0.0) < _SILENCE:
            raise DataError(f"the {name} audio is silent; was the input connected?")
    delay = find_delay(dry, wet, rate)
    if delay.clarity < _LEAST_CLARITY:
        raise DataError(
            "the wet audio has nothing in common with the dry audio; is it another take, the recording of another "
            "input, or more than 3 s late?"
        )
    if delay.sign < 0:
        check.notes.append("the wet audio is upside down (polarity); a model will learn that too")
    if align:
        check.shift = delay.shift if delay.by_blips or not _within(delay.samples, _EXACT) else 0
        if check.shift and not _within(delay.samples, (0, 1)):
            check.notes.append(f"the wet audio was {_describe(delay.samples)}; aligned")
        return delay
    if not _within(delay.samples, _TOLERATED):
        raise DataError(f"the wet audio is {_describe(delay.samples)} (latency of the recording); pass --align")
    if not _within(delay.samples, _EXACT):
        cause = "filters delay too, and a model learns the delay" if delay.samples > 0 else "no model can look ahead"
        check.notes.append(f"the wet audio is {_describe(delay.samples)}: {cause}; --align repairs it")
    return delay


def _check_clocks(check: Check, before: Delay, dry: np.ndarray, wet: np.ndarray, rate: int) -> None:
    if min(np.abs(dry).max(initial=0.0), np.abs(wet).max(initial=0.0)) < _SILENCE:
        check.notes.append("the end of the recording is silent")
        return
    after = find_delay(dry, wet, rate)
    if after.clarity >= _LEAST_CLARITY and abs(after.samples - before.samples) > _MOST_DRIFT + _EXACT[1]:
        check.notes.append(
            f"the wet audio is {_describe(before.samples)} at the start and {_describe(after.samples)} at the end; do "
            "both devices run by the same clock, and were samples lost?"
        )


def _check_end(check: Check, lengths: list[int], rate: int) -> None:
    """Note where one side ends before the other."""
    dry, wet = lengths[0] + min(check.shift, 0), lengths[1] - max(check.shift, 0)
    if abs(dry - wet) <= _SAME_END_SECONDS * rate:
        return
    shorter, longer = ("wet", "dry") if wet < dry else ("dry", "wet")
    check.notes.append(
        f"the {shorter} audio ends {abs(dry - wet) / rate:.2f} s before the {longer} audio, whose end is left out"
    )


def _within(samples: int, limits: tuple[int, int]) -> bool:
    return limits[0] <= samples <= limits[1]


def _describe(samples: int) -> str:
    if samples == 0:
        return "in time"
    return f"{abs(samples)} sample{'s' if abs(samples) > 1 else ''} {'late' if samples > 0 else 'early'}"


def _has_clipping(audio: np.ndarray) -> bool:
    at_limit = np.abs(audio) >= 0.999
    runs = np.convolve(at_limit, np.ones(_CLIPPED_RUN), mode="valid")
    return bool(len(runs) and runs.max() >= _CLIPPED_RUN)
