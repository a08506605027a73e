"""Apply processors and learned effects to a clip."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from demo.library import Library
from demo.limits import Clip, read_clip
from demo.work.deadline import with_deadline
from effects.engine import render
from effects.knobs import KnobSet
from effects.processors import PROCESSORS, Processor
from vocoders.core.audio import resample
from vocoders.core.errors import ConfigError

__all__ = ["Rendering", "apply_learned", "apply_true", "knobs_of", "processor_knobs", "read_dry", "resolve_knobs"]

# Block size in samples: latency does not matter here, and this is almost twice as fast as the engine's hop.
_HOP = 4096


@dataclass(frozen=True)
class Rendering:
    """Audio of an effect.

    Attributes:
        audio: (C, T).
        seconds: computing time.
    """

    audio: np.ndarray
    seconds: float


@cache
def processor_knobs() -> dict[str, tuple[str, ...]]:
    """Return the names of the knobs of every installed processor."""
    return {name: processor.knobs.names for name, processor in PROCESSORS.items() if processor.is_available}


def knobs_of(library: Library, effect: str, model: str | None) -> KnobSet:
    """Return the knobs of a processor, or of a learned effect without its processor."""
    if effect in PROCESSORS:
        return PROCESSORS[effect].knobs
    if model is None:
        raise ConfigError(f"no effect '{effect[:80]}' here; choose one from the list")
    return library.load(model, "effect").knobs


def resolve_knobs(knobs: KnobSet, given: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the value of every knob; refuse values out of range instead of clamping them."""
    values = knobs.resolve(given)
    for name, value in (given or {}).items():
        knob = knobs[name]
        if isinstance(value, int | float) and not knob.min - 1e-9 <= value <= knob.max + 1e-9:
            raise ConfigError(f"knob '{name}' at {knob.format(value)}; its range is {knob.range_text}")
    return values


def read_dry(library: Library, path: str | None, model: str | None) -> Clip:
    """Read the clip at the sample rate of the learned effect, or without one at that of the file."""
    clip = read_clip(path, mono=False)
    if model is None:
        return clip
    rate = library.load(model, "effect").sample_rate
    if clip.sample_rate == rate:
        return clip
    remark = f"resampled from {clip.sample_rate / 1000:g} to {rate / 1000:g} kHz"
    return Clip(resample(clip.audio, clip.sample_rate, rate), rate, (*clip.remarks, remark))


def apply_true(effect: str, audio: Tensor, sample_rate: int, settings: Mapping[str, float]) -> Rendering:
    """Apply a processor to audio (C, T)."""
    processor: Processor = PROCESSORS[effect]
    started = time.perf_counter()
    padded = torch.nn.functional.pad(audio, (0, processor.latency))[None]
    wet = processor.process(padded, settings, sample_rate)[0][0, :, processor.latency :]
    return Rendering(_finite(wet, effect), time.perf_counter() - started)


def apply_learned(
    library: Library,
    model: str,
    audio: Tensor,
    sample_rate: int,
    settings: Mapping[str, float],
    progress: Callable[[float], None] | None = None,
) -> Rendering:
    """Apply a learned effect to audio (C, T); a mono model processes channels separately."""
    network = library.load(model, "effect")
    channels = network.config.audio_channels
    fitting = audio if channels in (1, len(audio)) else audio[:1].expand(channels, -1)
    started = time.perf_counter()
    hop = -(-_HOP // network.block_length) * network.block_length
    wet = render(network, fitting, sample_rate, settings, hop=hop, progress=with_deadline(progress))
    return Rendering(_finite(wet[: len(audio)], model), time.perf_counter() - started)


def _finite(audio: Tensor, name: str) -> np.ndarray:
    if not torch.isfinite(audio).all():
        raise ConfigError(f"'{name}' computes NaN with these settings; choose others")
    return audio.numpy()
