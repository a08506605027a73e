"""Effects block by block, as an audio host calls them: how much of the time between two blocks is used."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from effects.engine import Engine
from effects.models import EffectModel
from recipes.benchmark.counting import counted

__all__ = ["count_effect_macs", "measure_blocks"]

_COUNTED = 1024


def measure_blocks(
    models: Mapping[str, EffectModel],
    block: int,
    seconds: float,
    threads: int,
    runs: int,
    advance: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Return one row per effect: real-time factor, and the load of single blocks.

    The load of a block is its computing time over its duration: from 1 on the sound breaks up. Models that can run on
    the host's blocks do; the others wait for complete hops, which shows as latency and as uneven loads.

    Args:
        models: effects by name; they take turns.
        block: samples in a block.
        seconds: length of the stream of each run.
        threads: what the rows say; the caller has set them.
        runs: counted rounds, after one that is not.
        advance: called after each stream.
    """
    times: dict[str, list[np.ndarray]] = {name: [] for name in models}
    engines = {name: _engine(model, block) for name, model in models.items()}
    for run in range(runs + 1):
        for name, engine in engines.items():
            found = _stream(engine, block, seconds)
            if run > 0:
                times[name].append(found)
            advance()
    return [_row(name, engines[name], block, threads, values) for name, values in times.items()]


def count_effect_macs(model: EffectModel) -> float | None:
    """Return the multiply-accumulates for one second of audio; ``None`` where the counter sees nothing."""
    # Few samples, since the counter looks at each step of a recurrence.
    block = -(-_COUNTED // model.block_length) * model.block_length
    total = counted(model, lambda: _stream(_engine(model, block), block, 2 * block / model.sample_rate))
    return total * model.sample_rate / (2 * block) if total else None


def _engine(model: EffectModel, block: int) -> Engine:
    return Engine(model, block=block, zero_latency=model.block_length == 1)


def _stream(engine: Engine, block: int, seconds: float) -> np.ndarray:
    """Return the computing time of each block of a stream of noise, in seconds."""
    engine.reset()
    device = next(engine.model.parameters()).device
    generator = torch.Generator().manual_seed(0)
    count = max(2, round(seconds * engine.sample_rate / block))
    channels = engine.model.config.audio_channels
    audio = 0.1 * torch.randn(count, channels, block, generator=generator)
    times = np.empty(count)
    for index, samples in enumerate(audio.to(device)):
        started = time.perf_counter()
        engine.process(samples)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times[index] = time.perf_counter() - started
    return times


def _row(name: str, engine: Engine, block: int, threads: int, values: Sequence[np.ndarray]) -> dict[str, Any]:
    duration = block / engine.sample_rate
    # The first blocks of a stream meet cold caches; a host starts its clock later.
    loads = np.concatenate([times[1:] for times in values]) / duration
    return {
        "effect": name,
        "block": block,
        "threads": threads,
        "rtf": statistics.median(float(times[1:].mean()) / duration for times in values),
        "load_p95": float(np.percentile(loads, 95)),
        "load_max": float(loads.max()),
        "latency": engine.latency_samples,
        "sample_rate": engine.sample_rate,
        "runs": [float(times[1:].mean()) / duration for times in values],
    }
