"""Apply processors and learned effects to a clip."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from demo.library import Library
from demo.limits import Clip, owned_path, read_clip
from demo.work.deadline import with_deadline
from effects.captures.reading import open_capture
from effects.engine import render
from effects.knobs import KnobSet
from effects.models import EffectModel
from effects.processors import PROCESSORS, Processor
from vocoders.core.audio import resample
from vocoders.core.errors import ConfigError

__all__ = [
    "Rendered",
    "Rendering",
    "apply_learned",
    "apply_true",
    "find_network",
    "knobs_of",
    "processor_knobs",
    "read_dry",
    "render_clip",
    "resolve_knobs",
]

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


@dataclass(frozen=True)
class Rendered:
    """A clip and what effects make of it.

    Attributes:
        dry: (C, T) the clip.
        wets: results, ``true`` of a processor and ``learned`` of a model.
        sample_rate: in Hz.
        knobs: value of every knob.
        target: what the difference is taken to: ``clip``, ``true``.
        null_name: the difference in words.
        remarks: changes of the clip, for the user.
    """

    dry: np.ndarray
    wets: dict[str, Rendering]
    sample_rate: int
    knobs: dict[str, float]
    target: str
    null_name: str
    remarks: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.dry.shape[-1] / self.sample_rate

    @property
    def audio(self) -> dict[str, np.ndarray]:
        """The clip, the results, and ``null``, the difference, by name."""
        audio = {"clip": self.dry} | {name: wet.audio for name, wet in self.wets.items()}
        wet = "learned" if self.target == "true" or "learned" in audio else next(iter(self.wets))
        return audio | {"null": audio[wet] - audio[self.target]}


def render_clip(
    library: Library, path: str | None, effect: str, model: str | None, knobs: Mapping[str, Any], capture: str | None
) -> Rendered:
    """Render a clip by a processor, a learned effect or both; a capture takes the place of both.

    Raises:
        OndesError: for unusable clips, names or settings.
    """
    settings = resolve_knobs(knobs_of(library, effect, model, capture), knobs)
    network = find_network(library, model, capture)
    clip = read_dry(path, network)
    wets, is_inverse = {}, False
    if capture is None and effect in PROCESSORS:
        wets["true"] = apply_true(effect, clip.audio, clip.sample_rate, settings)
        is_inverse = PROCESSORS[effect].is_inverse
    if network is not None:
        # Models that undo an effect hear what the processor made, and their target is the clip.
        source = torch.from_numpy(wets["true"].audio) if is_inverse else clip.audio
        wets["learned"] = apply_learned(network, model or "capture", source, clip.sample_rate, settings)
    target, null_name = "clip", "Effect − dry"
    if {"true", "learned"} <= wets.keys():
        target, null_name = ("clip", "Learned − dry") if is_inverse else ("true", "Learned − true")
    return Rendered(clip.audio.numpy(), wets, clip.sample_rate, settings, target, null_name, clip.remarks)


@cache
def processor_knobs() -> dict[str, tuple[str, ...]]:
    """Return the names of the knobs of every installed processor."""
    return {name: processor.knobs.names for name, processor in PROCESSORS.items() if processor.is_available}


def find_network(library: Library, model: str | None, capture: str | None = None) -> EffectModel | None:
    """Return a learned effect: a capture that was uploaded, else the model of a name; ``None`` without both.

    Raises:
        CheckpointError: for a file that is no capture.
        ConfigError: for a name that is not in the list.
        DataError: for a file elsewhere than in Gradio's temporary folder.
    """
    if capture is not None:
        return _open_capture(str(owned_path(capture)))
    return None if model is None else library.load(model, "effect")


@lru_cache(maxsize=8)
def _open_capture(path: str) -> EffectModel:
    # Gradio names folders of uploads after their content, so equal paths are equal files.
    return open_capture(path)


def knobs_of(library: Library, effect: str, model: str | None, capture: str | None = None) -> KnobSet:
    """Return the knobs of a capture, of a processor, or of a learned effect without its processor."""
    network = find_network(library, None, capture)
    if network is not None:
        return network.knobs
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


def read_dry(path: str | None, network: EffectModel | None) -> Clip:
    """Read the clip at the sample rate of the learned effect, or without one at that of the file."""
    clip = read_clip(path, mono=False)
    if network is None:
        return clip
    rate = network.sample_rate
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
    network: EffectModel,
    name: str,
    audio: Tensor,
    sample_rate: int,
    settings: Mapping[str, float],
    progress: Callable[[float], None] | None = None,
) -> Rendering:
    """Apply a learned effect to audio (C, T); a mono model processes channels separately."""
    channels = network.config.audio_channels
    fitting = audio if channels in (1, len(audio)) else audio[:1].expand(channels, -1)
    started = time.perf_counter()
    hop = -(-_HOP // network.block_length) * network.block_length
    wet = render(network, fitting, sample_rate, settings, hop=hop, progress=with_deadline(progress))
    return Rendering(_finite(wet[: len(audio)], name), time.perf_counter() - started)


def _finite(audio: Tensor, name: str) -> np.ndarray:
    if not torch.isfinite(audio).all():
        raise ConfigError(f"'{name}' computes NaN with these settings; choose others")
    return audio.numpy()
