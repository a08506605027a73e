"""Load of effects that play block by block, as in an audio host."""

import copy
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from effects.engine import Engine
from effects.models import EffectModel
from recipes.benchmark.counting import counted

__all__ = ["ONNX_RUNTIME", "BlockStream", "OnnxPlayer", "count_effect_macs", "in_engine", "measure_blocks"]

#: Name of the peer of effects for ``--against``.
ONNX_RUNTIME = "onnx-runtime"

_COUNTED = 1024


@dataclass(frozen=True)
class BlockStream:
    """A processor of consecutive blocks of audio.

    Attributes:
        process: takes the next samples (C, T).
        reset: goes back to the start of the stream.
        sample_rate: in Hz.
        channels: C.
        latency_samples: delay of the output.
        device: where the blocks lie.
        threads: that it takes whatever torch is set to; ``None``: as many as torch.
    """

    process: Callable[[torch.Tensor], torch.Tensor]
    reset: Callable[[], None]
    sample_rate: int
    channels: int
    latency_samples: int
    device: torch.device
    threads: int | None = None


def in_engine(model: EffectModel, block: int) -> BlockStream:
    """Return a stream through a model: without waiting where it can run on the host's blocks."""
    engine = Engine(model, block=block, zero_latency=model.block_length == 1)
    device = next(model.parameters()).device
    channels = model.config.audio_channels
    return BlockStream(engine.process, engine.reset, engine.sample_rate, channels, engine.latency_samples, device)


class OnnxPlayer:
    """The exported step graph of an effect, run by ONNX Runtime on one thread.

    Args:
        model: the effect.
        folder: where the graph goes.
        largest: block that it must take.

    Raises:
        MissingExtraError: if onnx or onnxruntime is not installed.
    """

    def __init__(self, model: EffectModel, folder: Path, largest: int) -> None:
        from effects.runtimes.onnx.export import DEFAULT_MAX_BLOCK, export_onnx

        self.model, self.folder = model, folder
        export_onnx(model, folder, max_block=max(largest, DEFAULT_MAX_BLOCK))

    def stream(self, block: int) -> BlockStream | None:
        """Return a stream, or None where the graph does not take such blocks."""
        from effects.runtimes.onnx.stream import OnnxStream

        if block % self.model.block_length:
            return None
        stream, channels = OnnxStream(self.folder), self.model.config.audio_channels
        rate, latency, cpu = self.model.sample_rate, stream.latency_samples, torch.device("cpu")
        return BlockStream(stream.process, stream.reset, rate, channels, latency, cpu, threads=1)


def measure_blocks(
    streams: Mapping[str, BlockStream],
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
        streams: effects by name, made for these blocks; they take turns.
        block: samples in a block.
        seconds: length of the stream of each run.
        threads: what the rows say; the caller has set them.
        runs: counted rounds, after one that is not.
        advance: called after each stream.
    """
    times: dict[str, list[np.ndarray]] = {name: [] for name in streams}
    for run in range(runs + 1):
        for name, stream in streams.items():
            found = _stream(stream, block, seconds)
            if run > 0:
                times[name].append(found)
            advance()
    return [_row(name, streams[name], block, threads, values) for name, values in times.items()]


def count_effect_macs(model: EffectModel) -> float | None:
    """Return the multiply-accumulates for one second of audio; ``None`` if the counter finds no operation."""
    # Few samples, since the counter looks at each step of a recurrence.
    block = -(-_COUNTED // model.block_length) * model.block_length
    # In double precision matrix products do not run in compiled code, which the counter would not see.
    model = copy.deepcopy(model).double()
    total = counted(model, lambda: _stream(in_engine(model, block), block, 2 * block / model.sample_rate))
    return total * model.sample_rate / (2 * block) if total else None


def _stream(stream: BlockStream, block: int, seconds: float) -> np.ndarray:
    """Return the computing time of each block of a stream of noise, in seconds."""
    stream.reset()
    generator = torch.Generator().manual_seed(0)
    count = max(2, round(seconds * stream.sample_rate / block))
    audio = 0.1 * torch.randn(count, stream.channels, block, generator=generator)
    times = np.empty(count)
    for index, samples in enumerate(audio.to(stream.device)):
        started = time.perf_counter()
        stream.process(samples)
        if stream.device.type == "cuda":
            torch.cuda.synchronize(stream.device)
        times[index] = time.perf_counter() - started
    return times


def _row(name: str, stream: BlockStream, block: int, threads: int, values: Sequence[np.ndarray]) -> dict[str, Any]:
    duration = block / stream.sample_rate
    # The first blocks of a stream have cold caches; a host starts its clock later.
    loads = np.concatenate([times[1:] for times in values]) / duration
    return {
        "effect": name,
        "block": block,
        "threads": stream.threads or threads,
        "rtf": statistics.median(float(times[1:].mean()) / duration for times in values),
        "load_p95": float(np.percentile(loads, 95)),
        "load_max": float(loads.max()),
        "latency": stream.latency_samples,
        "sample_rate": stream.sample_rate,
        "runs": [float(times[1:].mean()) / duration for times in values],
    }
