"""Limits of the demo's inputs: lengths, sizes and formats, with one message per cause."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demo.folders import remember_upload, temporary_folder
from vocoders.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "MAX_CHANNELS",
    "MAX_FILE_BYTES",
    "MAX_SECONDS",
    "Clip",
    "check_number",
    "check_seed",
    "owned_path",
    "read_clip",
]

MAX_FILE_BYTES = 20 << 20
MAX_SECONDS = 30.0
MIN_SECONDS = 0.2
MAX_CHANNELS = 8
_RATES = (4000, 384_000)
# Peaks below this are silence: -70 dBFS.
_SILENCE = 10 ** (-70 / 20)


@dataclass(frozen=True)
class Clip:
    """Accepted audio.

    Attributes:
        audio: (C, T) float32.
        sample_rate: in Hz.
        remarks: changes of the audio, for the user.
    """

    audio: "Tensor"
    sample_rate: int
    remarks: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.audio.shape[-1] / self.sample_rate


def read_clip(
    path: str | None, sample_rate: int | None = None, mono: bool = True, max_seconds: float = MAX_SECONDS
) -> Clip:
    """Read the clip of a user.

    Args:
        path: a file in Gradio's temporary folder, ``None`` without a clip.
        sample_rate: resample to this rate in Hz; ``None``: keep the file's.
        mono: average the channels; else keep the first two.
        max_seconds: greatest length of a clip.

    Raises:
        DataError: for no file, a file elsewhere, a file that is not audio, is silent, too large, too short or too long,
            or has too many channels or an unsupported sample rate.
    """
    if not path:
        raise DataError("there is no clip yet; upload or record one, or pick an example")
    file = owned_path(path)
    # Imported here: the page must not wait for torch.
    from vocoders.core.audio import audio_info, read_audio, resample

    size = file.stat().st_size
    if size > MAX_FILE_BYTES:
        limit = f"{MAX_FILE_BYTES >> 20} MB"
        raise DataError(f"the file has {size / (1 << 20):.0f} MB; the limit is {limit}: send a shorter clip")
    with _named(file):
        info = audio_info(file, most_seconds=max_seconds + 1)
        _check_header(info.frames, info.sample_rate, info.channels, max_seconds)
        audio, rate = read_audio(file)
    remarks = [f"the file is {info.damage}; what is there is used"] if info.damage else []
    if not math.isfinite(float(audio.abs().max())) or float(audio.abs().max()) < _SILENCE:
        raise DataError(
            f"the clip is silent (no sample above {20 * math.log10(_SILENCE):.0f} dBFS); send one that sounds"
        )
    if mono and len(audio) > 1:
        remarks.append(f"{len(audio)} channels were averaged into one")
        audio = audio.mean(dim=0, keepdim=True)
        if float(audio.abs().max()) < _SILENCE:
            raise DataError("the average of the channels is silent: they cancel each other; send a mono clip")
    elif len(audio) > 2:
        remarks.append(f"the first 2 of {len(audio)} channels are used")
        audio = audio[:2]
    if sample_rate is not None and sample_rate != rate:
        remarks.append(f"resampled from {rate / 1000:g} to {sample_rate / 1000:g} kHz")
        audio, rate = resample(audio, rate, sample_rate), sample_rate
    return Clip(audio, rate, tuple(remarks))


def owned_path(path: str) -> Path:
    """Return ``path`` if it is an uploaded file in Gradio's folder.

    Raises:
        DataError: if it is elsewhere.
    """
    root = temporary_folder().resolve()
    file = Path(path).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        raise DataError("this file was not uploaded here; upload the clip itself")
    # Each upload has a folder; results belong to their visitor anyway.
    if file.parent.parent == root:
        remember_upload(file)
    return file


def check_number(name: str, value: object, low: float, high: float) -> float:
    """Return ``value`` if it is a number in ``[low, high]``; callers of the API may send anything.

    Raises:
        ConfigError: otherwise.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"{name} is {str(value)[:40]}; expected a number from {low:.10g} to {high:.10g}")
    return float(value)


def check_seed(value: object) -> int:
    """Return ``value`` as a seed."""
    return int(check_number("seed", value, 0, 2**31 - 1))


def _check_header(frames: int, sample_rate: int, channels: int, max_seconds: float) -> None:
    if not _RATES[0] <= sample_rate <= _RATES[1]:
        raise DataError(f"the clip has a rate of {sample_rate} Hz; expected {_RATES[0]} to {_RATES[1]} Hz")
    if channels > MAX_CHANNELS:
        raise DataError(f"the clip has {channels} channels; the limit is {MAX_CHANNELS}: send mono or stereo")
    seconds = frames / sample_rate
    if seconds > max_seconds:
        raise DataError(f"the clip is {seconds:.1f} s long; the limit is {max_seconds:g} s: cut it")
    if seconds < MIN_SECONDS:
        raise DataError(f"the clip is {1000 * seconds:.0f} ms long; at least {1000 * MIN_SECONDS:.0f} ms are needed")


class _named:
    """Remove the path on the server from errors of the reader."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DataError):
            text = str(error)
            for spelled in {str(self.file), str(self.file.resolve())}:
                text = text.replace(spelled, f"'{self.file.name[:60]}'")
            raise DataError(text) from None
