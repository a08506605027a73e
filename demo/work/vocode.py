"""Copy-synthesis of a clip by any vocoder, at once or in a stream."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from demo.library import Library
from demo.limits import Clip, read_clip
from demo.memory import return_memory
from demo.sound import equal_loudness
from demo.work.deadline import with_deadline
from demo.work.options import chosen_options
from vocoders.core.errors import ConfigError, DataError
from vocoders.core.options import SynthesisOptions, f0_scale_of
from vocoders.interface import Vocoder

__all__ = ["Contour", "Copy", "Settings", "vocode", "vocode_live"]

# Bounds of a drawn F0 in Hz.
_F0 = (40.0, 1200.0)
# Seconds of audio in a piece of a stream.
_PIECE = 0.2

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Settings:
    """The choices of a user.

    Attributes:
        model: a name in the library.
        options: changes of the vocoder's default options, for :func:`~demo.work.options.chosen_options`.
        seed: seed of all noise.
        f0: drawn F0 in Hz, one value per frame, 0 for unvoiced; ``None``: that of the clip.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    f0: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Contour:
    """F0 over time.

    Attributes:
        hop: seconds between values.
        f0: (F,) in Hz, 0 for unvoiced.
    """

    hop: float
    f0: np.ndarray


@dataclass(frozen=True)
class Copy:
    """A clip and its copy by a vocoder.

    Attributes:
        reference: (T,) the clip at the vocoder's sample rate, with the same loudness as ``result``.
        result: (T,).
        sample_rate: in Hz.
        compute_seconds: time of analysis and synthesis.
        given: F0 that the vocoder found in the clip; ``None`` for vocoders without F0.
        wanted: F0 that the vocoder was asked for.
        f0_scale: factor on F0 in ``result``.
        remarks: changes of the clip, for the user.
    """

    reference: np.ndarray
    result: np.ndarray
    sample_rate: int
    compute_seconds: float
    given: Contour | None
    wanted: Contour | None
    f0_scale: float
    remarks: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.result) / self.sample_rate


@dataclass(frozen=True)
class _Task:
    """A vocoder with its checked inputs."""

    vocoder: Vocoder
    options: SynthesisOptions
    clip: Clip
    inputs: dict[str, Tensor]
    started: float


def vocode(library: Library, settings: Settings, path: str | None, progress: Progress) -> Copy:
    """Analyse the clip at ``path`` and synthesise it.

    Raises:
        OndesError: for unusable clips, models or settings.
    """
    task = _prepare(library, settings, path)
    how = {"options": task.options, "seed": settings.seed, "progress": with_deadline(progress)}
    inputs = task.inputs
    if settings.f0 is not None:
        inputs = {**inputs, "f0": torch.tensor(settings.f0)[None, None], "mel_f0": inputs["f0"]}
    return _finish(task, settings, task.vocoder.synthesize(**inputs, **how))


def vocode_live(
    library: Library, settings: Settings, path: str | None, progress: Progress
) -> Iterator[tuple[int, int, np.ndarray] | Copy]:
    """Synthesise in a stream; yield (sample rate, total samples, new samples (N,)), and at the end the copy.

    Raises:
        ConfigError: for a vocoder without streams; drawn F0 has none either.
    """
    if settings.f0 is not None:
        raise ConfigError("a drawn F0 is synthesised as a whole")
    task, report = _prepare(library, settings, path), with_deadline(progress)
    vocoder = task.vocoder
    stream = vocoder.stream(task.options, seed=settings.seed)
    inputs = task.inputs if "features" in task.inputs else vocoder.analyze(task.inputs["audio"])
    features, f0 = inputs["features"], inputs.get("f0")
    frames = features.shape[-1]
    step = max(1, round(_PIECE * vocoder.sample_rate / vocoder.hop_length))
    length, parts, sent = task.clip.audio.shape[-1], [], 0
    for start in range(0, frames + step, step):
        stop = min(start + step, frames)
        new = stream.finish() if start >= frames else stream.push(*_frames(features, f0, start, stop))
        samples = new.reshape(-1).float().cpu()[: length - sent]
        parts.append(samples)
        sent += len(samples)
        report(min(stop / frames, 0.999))
        yield vocoder.sample_rate, length, samples.numpy()
    yield _finish(task, settings, torch.cat(parts))


def _frames(features: Tensor, f0: Tensor | None, start: int, stop: int) -> list[Tensor]:
    return [features[..., start:stop]] + ([] if f0 is None else [f0[..., start:stop]])


def _prepare(library: Library, settings: Settings, path: str | None) -> _Task:
    vocoder: Vocoder = library.load(settings.model, "vocoder")
    options = chosen_options(vocoder, settings.options)
    clip = read_clip(path, vocoder.sample_rate)
    started = time.perf_counter()
    audio = pad(clip.audio, (0, -clip.audio.shape[-1] % vocoder.hop_length))
    # The plot also needs F0; its analysis is slow, so compute it once.
    inputs = vocoder.analyze(audio, vocoder.f0_method_for(options)) if vocoder.uses_f0 else {"audio": audio}
    if settings.f0 is not None:
        _check_drawn(settings, vocoder, inputs)
    return _Task(vocoder, options, clip, inputs, started)


def _check_drawn(settings: Settings, vocoder: Vocoder, inputs: dict[str, Tensor]) -> None:
    if not vocoder.uses_f0:
        raise ConfigError(f"'{settings.model}' takes no F0; choose a vocoder with F0 to draw it")
    frames, drawn = inputs["f0"].shape[-1], settings.f0 or ()
    if len(drawn) != frames:
        raise DataError(f"the drawn F0 has {len(drawn)} values and the clip {frames} frames; synthesise the clip again")
    if not all(f == 0 or _F0[0] <= f <= _F0[1] for f in drawn):
        raise DataError(f"the drawn F0 leaves {_F0[0]:g} to {_F0[1]:g} Hz")


def _finish(task: _Task, settings: Settings, audio: Tensor) -> Copy:
    """Return the copy, with the clip at the same loudness."""
    vocoder, clip = task.vocoder, task.clip
    result = audio.reshape(-1)[: clip.audio.shape[-1]].float().cpu().numpy()
    seconds = time.perf_counter() - task.started
    if not np.isfinite(result).all():
        raise ConfigError(f"'{settings.model}' computes NaN with these settings; choose others")
    (reference, result), gains = equal_loudness([clip.audio[0].numpy(), result], vocoder.sample_rate)
    remarks = clip.remarks
    if abs(gains[1] - gains[0]) > 1:
        remarks += (f"the result was {gains[0] - gains[1]:+.1f} dB louder before both were set to equal loudness",)
    f0_scale = f0_scale_of(task.options)
    given = wanted = None
    if vocoder.uses_f0:
        hop = vocoder.hop_length / vocoder.sample_rate
        given = Contour(hop, task.inputs["f0"].reshape(-1).cpu().numpy())
        own = given.f0 if settings.f0 is None else np.asarray(settings.f0)
        wanted = Contour(hop, own * f0_scale)
    return_memory()
    return Copy(reference, result, vocoder.sample_rate, seconds, given, wanted, f0_scale, remarks)
