"""Fundamental frequency of audio, one value in Hz for each frame, 0 where it is unvoiced.

Five trackers share one call: WORLD's Harvest (Morise 2017, the published recipe of the vocoders here) and DIO (Morise
2009), librosa's probabilistic YIN (Mauch & Dixon 2014), SwiftF0 (Nieradzik 2025), a small network that runs offline,
and our own network, which reads the log-mel (:mod:`vocoders.frontends.mel_pitch`). Every tracker gives
``T // hop_length`` frames, so that F0 and mel always have the same length.
"""

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vocoders.core.checks import check_audio
from vocoders.core.chunking import ChunkSpan, chunk_spans
from vocoders.core.errors import ConfigError, MissingExtraError
from vocoders.core.resampling import resample
from vocoders.frontends.f0_config import F0Config, F0Method
from vocoders.frontends.mel import LogMel
from vocoders.frontends.mel_conversion import interpolate_contour
from vocoders.frontends.mel_pitch import shipped_mel_pitch
from vocoders.frontends.world import import_world

__all__ = ["F0Config", "F0Method", "Recording", "extract_f0", "extract_f0_in_parts", "has_tracker", "whole_frames"]

ArrayOrTensor = TypeVar("ArrayOrTensor", np.ndarray, Tensor)

_PYIN_NO_TROUGH = 0.01
# The authors of SwiftF0 scale recordings with a peak below -35 dBFS to half of full scale.
_LOWEST_PEAK, _USUAL_PEAK = 10 ** (-35 / 20), 0.5
# Longer audio is tracked in chunks, in constant memory: Harvest needs 1.2 MB for each second.
_CHUNK_SECONDS, _CONTEXT_SECONDS = 60.0, 1.0
# A multiple of the factors by which WORLD decimates the usual rates (1 to 4, 6, 8, 12), and of the 8 frames after which
# the grids of 10 ms and of SwiftF0 (16 ms) coincide.
_GRID = 24


class Recording(Protocol):
    """Audio of one channel, full scale 1, that is read part by part.

    Attributes:
        length: number of samples.
        peak: the highest absolute value.
    """

    @property
    def length(self) -> int: ...  # noqa: D102

    @property
    def peak(self) -> float: ...  # noqa: D102

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the samples from ``start`` to before ``stop``."""
        ...


@dataclass(frozen=True)
class _InMemory:
    """A recording in memory."""

    samples: np.ndarray

    @property
    def length(self) -> int:
        return self.samples.size

    @property
    def peak(self) -> float:
        return max(float(self.samples.max()), -float(self.samples.min())) if self.samples.size else 0.0

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.samples[start:stop]


def extract_f0(
    audio: ArrayOrTensor, sample_rate: int, hop_length: int, config: F0Config, num_frames: int | None = None
) -> np.ndarray:
    """Track the F0 of ``audio``.

    Silence, noise and audio shorter than two periods of ``f0_max`` give zeros, not errors. Audio of more than a minute
    is tracked in chunks with a second of context, in constant memory.

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
        MissingExtraError: for ``harvest``, ``dio`` and ``swift`` if pyworld or swift-f0 is not installed.
        ShapeError: if ``audio`` is not one channel of floats.
    """
    samples = check_audio(audio, "T", least=0, dtype=None).detach().cpu().numpy()
    return extract_f0_in_parts(_InMemory(samples), sample_rate, hop_length, config, num_frames)


def extract_f0_in_parts(
    recording: Recording, sample_rate: int, hop_length: int, config: F0Config, num_frames: int | None = None
) -> np.ndarray:
    """Do what :func:`extract_f0` does, with audio that is read a minute at a time."""
    if hop_length < 1:
        raise ConfigError(f"hop_length is {hop_length}; F0 needs at least one sample between frames")
    if config.f0_max >= sample_rate / 2:
        raise ConfigError(
            f"f0_max {config.f0_max:g} Hz for audio of {sample_rate} Hz; set it below {sample_rate / 2:g} Hz"
        )
    size = recording.length
    num_frames = size // hop_length if num_frames is None else num_frames
    f0 = np.zeros(num_frames, dtype=np.float32)
    reached = min(num_frames, size // hop_length + 1)
    # Two periods at least: Harvest fails on empty audio, and pyin finds a pitch in a single sample.
    if reached > 0 and size * config.f0_max >= 2 * sample_rate and recording.peak > 0:
        level = _usual_level(recording.peak) if config.method in ("swift", "mel") else 1.0
        lengths = (whole_frames(seconds, sample_rate, hop_length) for seconds in (_CHUNK_SECONDS, _CONTEXT_SECONDS))
        for span in chunk_spans(reached, *lengths):
            first, last = _chunk_samples(span, size, hop_length)
            # Trackers compute in double precision; only a chunk is converted at once.
            part = level * recording.read(first * hop_length, last).astype(np.float64)
            found = _TRACKERS[config.method](part, sample_rate, hop_length, config, span.stop - first)
            found = found[span.valid_start - first : span.valid_stop - first]
            f0[span.valid_start : span.valid_start + found.size] = found
    return f0


def has_tracker(method: F0Method) -> bool:
    """Return whether the package of a tracker is installed."""
    package = _PACKAGES.get(method)
    return package is None or importlib.util.find_spec(package) is not None


def whole_frames(seconds: float, sample_rate: int, hop_length: int) -> int:
    """Return the number of frames of a part of about ``seconds``, after which trackers are on the same grid again.

    WORLD computes with every r-th sample of rates above 8 kHz, and its result depends on which ones; SwiftF0 has frames
    of its own.
    """
    return _GRID * max(1, round(seconds * sample_rate / hop_length / _GRID))


def _chunk_samples(span: ChunkSpan, total: int, hop_length: int) -> tuple[int, int]:
    """Return the first frame and the last sample of a chunk, on the grid of the whole: see :func:`whole_frames`.

    WORLD counts its samples from the end, so a chunk lacks a multiple of r samples at its end.
    """
    first = span.start - span.start % _GRID
    last = span.stop * hop_length
    return first, min(total, last + (total - last) % _GRID)


def _usual_level(peak: float) -> float:
    """Return the factor that gives networks, which know a usual level alone, audio of a usual peak."""
    return _USUAL_PEAK / peak if 1e-8 < peak < _LOWEST_PEAK or peak > 1 else 1.0


def _track_world(audio: np.ndarray, sample_rate: int, hop_length: int, config: F0Config, num_frames: int) -> np.ndarray:
    """Run Harvest or DIO on a grid of one hop, or of half a hop for values at the frame centres."""
    steps = 2 if config.alignment == "frame_center" else 1
    world = import_world(f"F0 method '{config.method}'")
    track = world.harvest if config.method == "harvest" else world.dio
    f0, times = track(
        audio,
        sample_rate,
        f0_floor=config.f0_min,
        f0_ceil=config.f0_max,
        frame_period=1000 * hop_length / sample_rate / steps,
    )
    if config.refine:
        refined = world.stonemask(audio, f0, times, sample_rate)
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
    # SwiftF0 fails on less than one sample after resampling; padding with silence has no other effect.
    audio = np.pad(audio, (0, max(0, sample_rate // 100 - audio.size)))
    result = _swift_detector().detect(audio.astype(np.float32), sample_rate, config.f0_min, config.f0_max)
    voiced = result.confidence >= 0.5
    if not voiced.any():
        return np.zeros(num_frames)
    times = (np.arange(num_frames) * hop_length + _offset(hop_length, config)) / sample_rate
    f0 = np.exp(np.interp(times, result.timestamps[voiced], np.log(result.pitch_hz[voiced])))
    return np.where(np.interp(times, result.timestamps, result.confidence) >= 0.5, f0, 0.0)


def _track_mel(audio: np.ndarray, sample_rate: int, hop_length: int, config: F0Config, num_frames: int) -> np.ndarray:
    """Run the shipped network on the log-mel of the audio, and leave out F0 beyond the range."""
    estimator = shipped_mel_pitch()
    mel = estimator.config.mel
    samples = resample(torch.from_numpy(audio).float(), sample_rate, mel.sample_rate)
    # Two frames more than the audio has, for values at its end.
    samples = F.pad(samples, (0, 2 * mel.hop_length + -len(samples) % mel.hop_length))
    f0 = estimator.estimate(LogMel(mel)(samples[None]))
    times = (torch.arange(num_frames) * hop_length + _offset(hop_length, config)) / sample_rate
    found = interpolate_contour(f0, times * mel.sample_rate / mel.hop_length - 0.5).flatten().numpy()
    return np.where((found >= config.f0_min) & (found <= config.f0_max), found, 0.0)


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


# Packages of trackers that a plain installation lacks.
_PACKAGES = {"harvest": "pyworld", "dio": "pyworld", "swift": "swift_f0"}
_TRACKERS: dict[F0Method, Callable[[np.ndarray, int, int, F0Config, int], np.ndarray]] = {
    "harvest": _track_world,
    "dio": _track_world,
    "pyin": _track_pyin,
    "swift": _track_swift,
    "mel": _track_mel,
}
