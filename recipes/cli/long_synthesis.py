"""Synthesis of long files in constant memory: read, analysed, synthesised and written part by part."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.cli.meter import Meter

if TYPE_CHECKING:
    from torch import Tensor

    from recipes.cli.batch import Job, Progress
    from vocoders.core.options import SynthesisOptions
    from vocoders.frontends.f0_config import F0Method
    from vocoders.interface import Vocoder

__all__ = ["is_long", "synthesize_audio", "synthesize_features", "warn_of_peak"]

_logger = logging.getLogger(__name__)

# Shorter audio is analysed and synthesised whole.
_LONG_SECONDS = 60.0
_BLOCK = 1 << 16


def is_long(job: "Job", vocoder: "Vocoder", options: "SynthesisOptions") -> bool:
    """Return whether a file is to be synthesised in parts."""
    from vocoders.core.errors import ConfigError

    if job.seconds <= _LONG_SECONDS:
        return False
    try:
        vocoder.stream(options)
    except ConfigError:
        text = "%s: %s synthesises no streams; memory grows with the %.0f s of audio"
        _logger.info(text, job.path, type(vocoder).__name__, job.seconds)
        return False
    return True


def synthesize_audio(
    job: "Job",
    vocoder: "Vocoder",
    options: "SynthesisOptions",
    seed: int,
    f0_method: "F0Method | None",
    progress: "Progress",
) -> tuple[int, int, float]:
    """Write the copy-synthesis of a file; return its length in samples, its channels, and its peak."""
    from vocoders.core.audio import audio_info, read_blocks, resample_blocks
    from vocoders.long_audio import copy_blocks

    info, rate = audio_info(job.path), vocoder.sample_rate
    if info.channels > 1:
        _logger.info("%s: %d channels, each synthesised on its own", job.path, info.channels)
    blocks = resample_blocks(read_blocks(job.path, _BLOCK), info.sample_rate, rate)
    made = copy_blocks(vocoder, _warn_of_silence(blocks, job.path), options, seed, f0_method)
    return _write(job, made, rate, info.channels, round(info.duration * rate), progress)


def synthesize_features(
    job: "Job",
    inputs: "dict[str, Tensor]",
    vocoder: "Vocoder",
    options: "SynthesisOptions",
    seed: int,
    progress: "Progress",
) -> tuple[int, int, float]:
    """Write the synthesis of features; return its length in samples, its channels, and its peak."""
    from vocoders.long_audio import synthesize_parts

    length = inputs["features"].shape[-1] * vocoder.hop_length
    return _write(job, synthesize_parts(vocoder, [inputs], options, seed), vocoder.sample_rate, 1, length, progress)


def _write(
    job: "Job", made: "Iterable[Tensor]", rate: int, channels: int, length: int, progress: "Progress"
) -> tuple[int, int, float]:
    from vocoders.core.audio import write_blocks
    from vocoders.core.limiting import limited_blocks

    meter = Meter(lambda samples: progress(min(1.0, samples / length)), every=rate)
    written = write_blocks(job.output, limited_blocks(meter.watch(made), rate), rate, channels, length)
    warn_of_peak(job.output, meter.peak)
    return written, channels, round(meter.peak, 6)


def warn_of_peak(path: Path, peak: float) -> None:
    """Tell that a file had peaks above full scale, which the limiter has lowered."""
    if peak > 1:
        _logger.warning("%s: peak %.3f is above full scale; limited, some milliseconds at a time", path, peak)


def _warn_of_silence(blocks: "Iterable[Tensor]", path: Path) -> "Iterator[Tensor]":
    is_silent = True
    for block in blocks:
        is_silent = is_silent and not block.any()
        yield block
    if is_silent:
        _logger.warning("%s is silent", path)
