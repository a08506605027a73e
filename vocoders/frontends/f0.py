"""Fundamental frequency of audio, one value in Hz for each frame, 0 where it is unvoiced.

Four trackers share one call: WORLD's Harvest (Morise 2017, the published recipe of the vocoders here) and DIO (Morise
2009), librosa's probabilistic YIN (Mauch & Dixon 2014) and SwiftF0 (Nieradzik 2025), a small network that runs offline.
Every tracker gives ``T // hop_length`` frames, so that F0 and mel always have the same length.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, TypeVar

import librosa
import numpy as np
import pyworld.pyworld as pyworld  # its compiled part; pyright knows no names of the package
import torch
from pydantic import Field, model_validator
from torch import Tensor

from vocoders.core.checks import check_audio
from vocoders.core.config import Config
from vocoders.core.errors import ConfigError, MissingExtraError

__all__ = ["F0Config", "F0Method", "extract_f0"]

F0Method = Literal["harvest", "dio", "pyin", "swift"]
ArrayOrTensor = TypeVar("ArrayOrTensor", np.ndarray, Tensor)

_PYIN_NO_TROUGH = 0.01
_SWIFT_RANGE = (46.875, 2093.75)
# SwiftF0 expects a normal level: its authors scale recordings with a peak below -35 dBFS to half of full scale.
_SWIFT_QUIET_PEAK, _SWIFT_PEAK = 10 ** (-35 / 20), 0.5


class F0Config(Config):
    """Configuration of an F0 tracker.

    Attributes:
        method: ``harvest``, ``dio``, ``pyin`` or ``swift``.
        f0_min: lowest F0 in Hz. The published Wavehax recipe sets the range per speaker (lower limits 55 to 400 Hz,
            upper 180 to 900 Hz) and takes 100 to 1000 Hz for speakers without an entry.
        f0_max: highest F0 in Hz.
        alignment: time of value n. ``frame_start`` is ``n * hop_length``, as in WORLD and the published recipe, half a
            hop before the centre of the mel frame; ``frame_center`` is that centre.
        refine: apply WORLD's StoneMask to the result (``harvest`` and ``dio``).
    """

    method: F0Method = "harvest"
    f0_min: float = Field(default=70.0, ge=20)
    f0_max: float = Field(default=1000.0, le=4000)
    alignment: Literal["frame_start", "frame_center"] = "frame_start"
    refine: bool = False

    @model_validator(mode="after")
    def _check(self) -> "F0Config":
        low, high = self.f0_min, self.f0_max
        if self.method == "swift":
            low, high = max(low, _SWIFT_RANGE[0]), min(high, _SWIFT_RANGE[1])
        if high < 1.1 * low:
            raise ValueError(
                f"f0_min {self.f0_min:g} Hz to f0_max {self.f0_max:g} Hz gives '{self.method}' the range {low:g} to "
                f"{high:g} Hz; the upper limit must be at least a tenth above the lower"
            )
        if self.refine and self.method not in ("harvest", "dio"):
            raise ValueError(f"refine is for harvest and dio, not for {self.method}")
        return self

    @property
    def fingerprint(self) -> str:
        """The front end in one line: equal lines mean the same F0."""
        refined = " stonemask" if self.refine else ""
        return f"f0 {self.method}{refined} {self.f0_min:.10g}-{self.f0_max:.10g} Hz {self.alignment}"


def extract_f0(
    audio: ArrayOrTensor, sample_rate: int, hop_length: int, config: F0Config, num_frames: int | None = None
) -> np.ndarray:
    """Track the F0 of ``audio``.

    Silence, noise and audio shorter than two periods of ``f0_max`` give zeros, not errors.

    Args:
        audio: (T,) floats, full scale 1.
        sample_rate: in Hz.
        hop_length: samples between frames.
        config: tracker, range and alignment.
        num_frames: F. Default: ``T // hop_length``; frames beyond the end of the audio are unvoiced.

    Returns:
        (F,) float32 in Hz, 0 = unvoiced.

    Raises:
        ConfigError: if ``f0_max`` lies above half the sample rate.
        DataError: for samples that are NaN or infinite.
        MissingExtraError: for ``swift`` if swift-f0 is not installed.
        ShapeError: if ``audio`` is not one channel of floats.
    """
    checked = check_audio(audio, "T", least=0, dtype=torch.float64)
    samples = np.ascontiguousarray(checked.detach().cpu().numpy())
    if hop_length < 1:
        raise ConfigError(f"hop_length is {hop_length}; F0 needs at least one sample between frames")
    if config.f0_max >= sample_rate / 2:
        raise ConfigError(
            f"f0_max {config.f0_max:g} Hz for audio of {sample_rate} Hz; set it below {sample_rate / 2:g} Hz"
        )
    num_frames = samples.size // hop_length if num_frames is None else num_frames
    f0 = np.zeros(num_frames, dtype=np.float32)
    reached = min(num_frames, samples.size // hop_length + 1)
    # Two periods at least: Harvest fails on empty audio, and pyin finds a pitch in a single sample.
    if reached > 0 and samples.any() and samples.size * config.f0_max >= 2 * sample_rate:
        found = _TRACKERS[config.method](samples, sample_rate, hop_length, config, reached)
        f0[: found.size] = found
    return f0


def _track_world(audio: np.ndarray, sample_rate: int, hop_length: int, config: F0Config, num_frames: int) -> np.ndarray:
    """Run Harvest or DIO on a grid of one hop, or of half a hop for values at the frame centres."""
    steps = 2 if config.alignment == "frame_center" else 1
    track = pyworld.harvest if config.method == "harvest" else pyworld.dio
    f0, times = track(
        audio,
        sample_rate,
        f0_floor=config.f0_min,
        f0_ceil=config.f0_max,
        frame_period=1000 * hop_length / sample_rate / steps,
    )
    if config.refine:
        refined = pyworld.stonemask(audio, f0, times, sample_rate)
        # StoneMask gives 0 where it finds no better value.
        f0 = np.where(refined > 0, refined, f0)
    return f0[steps - 1 :: steps][:num_frames]


def _track_pyin(audio: np.ndarray, sample_rate: int, hop_length: int, config: F0Config, num_frames: int) -> np.ndarray:
    """Run librosa's pyin on windows of 2.5 periods of ``f0_min`` (longer ones smear speech) at the frame times."""
    window = math.ceil(2.5 * sample_rate / config.f0_min)
    left = window // 2 - _offset(hop_length, config)
    right = max(0, (num_frames - 1) * hop_length + window - left - audio.size)
    f0, voiced, probability = librosa.pyin(
        np.pad(audio, (max(left, 0), right))[max(-left, 0) :],
        fmin=config.f0_min,
        fmax=config.f0_max,
        sr=sample_rate,
        frame_length=window,
        hop_length=hop_length,
        center=False,
        no_trough_prob=_PYIN_NO_TROUGH,
    )
    # Even without a trough the path may pass through voiced states: white noise would be voiced in places.
    return np.where(voiced & (probability > 1.01 * _PYIN_NO_TROUGH), f0, 0.0)[:num_frames]


def _track_swift(audio: np.ndarray, sample_rate: int, hop_length: int, config: F0Config, num_frames: int) -> np.ndarray:
    """Run SwiftF0, whose frames are 16 ms apart, and interpolate to the frame times."""
    peak = np.abs(audio).max()
    if 1e-8 < peak < _SWIFT_QUIET_PEAK:
        audio = audio * (_SWIFT_PEAK / peak)
    # SwiftF0 fails on less than one sample after resampling; padding with silence has no other effect.
    audio = np.pad(audio, (0, max(0, sample_rate // 100 - audio.size)))
    result = _swift_detector().detect(audio.astype(np.float32), sample_rate, config.f0_min, config.f0_max)
    voiced = result.confidence >= 0.5
    if not voiced.any():
        return np.zeros(num_frames)
    times = (np.arange(num_frames) * hop_length + _offset(hop_length, config)) / sample_rate
    f0 = np.exp(np.interp(times, result.timestamps[voiced], np.log(result.pitch_hz[voiced])))
    return np.where(np.interp(times, result.timestamps, result.confidence) >= 0.5, f0, 0.0)


@lru_cache(maxsize=1)
def _swift_detector() -> Any:
    try:
        from swift_f0 import SwiftF0
    except ImportError:
        raise MissingExtraError("swift-f0", "f0", "F0 method 'swift'") from None
    # One thread, which is safe in forked processes: features are extracted in parallel processes.
    return SwiftF0(threads=1)


def _offset(hop_length: int, config: F0Config) -> int:
    return hop_length // 2 if config.alignment == "frame_center" else 0


_TRACKERS: dict[F0Method, Callable[[np.ndarray, int, int, F0Config, int], np.ndarray]] = {
    "harvest": _track_world,
    "dio": _track_world,
    "pyin": _track_pyin,
    "swift": _track_swift,
}
