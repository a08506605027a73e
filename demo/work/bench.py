"""Speed of models on this machine."""

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from demo.library import Library
from effects.engine import render
from effects.models import EffectModel
from effects.processors import PROCESSORS
from vocoders.interface import Vocoder, WaveformGenerator

__all__ = ["machine", "rehearse", "speed"]

_SECONDS = 2.0
_REPEATS = 3


def machine() -> str:
    """Return processor, threads and version of torch in one line."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}, torch {torch.__version__}"


def speed(library: Library, name: str) -> float:
    """Return the seconds of audio per second of computing: the median of three runs after a warm-up."""
    run = _preparation(library, name)
    run()
    times = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        seconds = run()
        times.append((time.perf_counter() - started) / seconds)
    return 1 / statistics.median(times)


def rehearse(library: Library) -> None:
    """Use the first model of each kind and the processors once, to load compiled code and warm the memory."""
    for kind in ("vocoder", "effect", "generator"):
        for entry in library.of_kind(kind)[:1]:
            _preparation(library, entry.name)()
    for processor in PROCESSORS.values():
        if processor.is_available:
            processor.process(torch.zeros(1, 1, 64), None, 44100)


def _preparation(library: Library, name: str) -> Callable[[], float]:
    """Return a function that computes some audio and returns its length in seconds."""
    return _RUNS[library.entry(name).kind](library.load(name))


def _vocoder_run(vocoder: Vocoder) -> Callable[[], float]:
    # Vocoders are measured without the analysis: features are their input.
    inputs = vocoder.analyze(_voice(vocoder.sample_rate))
    features, f0 = inputs["features"], inputs.get("f0")
    return lambda: vocoder.synthesize(features, f0).shape[-1] / vocoder.sample_rate


def _generator_run(generator: WaveformGenerator) -> Callable[[], float]:
    length = round(min(_SECONDS, 1.0) * generator.sample_rate)
    return lambda: generator.generate(length).length / generator.sample_rate


def _effect_run(effect: EffectModel) -> Callable[[], float]:
    audio = _voice(effect.sample_rate).expand(effect.config.audio_channels, -1)
    return lambda: render(effect, audio).shape[-1] / effect.sample_rate


_RUNS = {"vocoder": _vocoder_run, "generator": _generator_run, "effect": _effect_run}


def _voice(sample_rate: int) -> torch.Tensor:
    """Return a buzz with gliding pitch, (1, T), which F0 trackers find voiced."""
    t = np.arange(round(_SECONDS * sample_rate)) / sample_rate
    phase = np.cumsum(120 + 40 * np.sin(2 * np.pi * t)) / sample_rate
    harmonics = sum((np.sin(2 * np.pi * k * phase) / k for k in range(1, 20)), np.zeros_like(phase))
    return torch.from_numpy(0.2 * harmonics.astype(np.float32))[None]
