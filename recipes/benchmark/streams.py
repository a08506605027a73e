"""Streams of vocoders, chunk by chunk: how long a listener waits, and what each chunk costs."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from recipes.benchmark.contender import Contender
from recipes.benchmark.models import VocoderContender
from vocoders.core.errors import ConfigError

__all__ = ["measure_streams", "streamed"]


@dataclass
class _Trial:
    """A system whose frames come in chunks of one length."""

    system: VocoderContender
    chunk: int
    inputs: dict[str, Tensor]
    latency: int
    firsts: list[float] = field(default_factory=list)
    times: list[np.ndarray] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)


def streamed(systems: Sequence[Contender]) -> list[VocoderContender]:
    """Return the systems that have streams."""
    return [system for system in systems if isinstance(system, VocoderContender) and system.open_stream(1) is not None]


def measure_streams(
    systems: Sequence[VocoderContender],
    chunks: Sequence[int],
    seconds: float,
    threads: int,
    runs: int,
    advance: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Return one row per system and chunk.

    ``first_audio`` is the time from the beginning of the first frame to the first sample, if frames come in real time:
    the frames that it needs, and the computation of the last chunk. ``latency`` is the time by which a player has to
    lag behind the features so that no sample is missing: the frames of a chunk, those that the stream waits for
    (``lag``), and the computation of a chunk. ``cpu`` is the CPU time of a chunk, which other work on the machine
    changes least.

    Args:
        systems: vocoders with streams, which take turns.
        chunks: frames that come together, and that a model which sees later frames computes at once.
        seconds: duration of the audio.
        threads: what the rows say; the caller has set them.
        runs: counted rounds, after one that is not.
        advance: called after each stream.

    Raises:
        ConfigError: for a chunk that is longer than the audio.
    """
    trials = []
    for system in systems:
        for chunk in chunks:
            stream, inputs = system.open_stream(chunk), system.inputs(seconds)
            assert stream is not None
            if (frames := inputs["features"].shape[-1]) < chunk:
                raise ConfigError(f"chunks of {chunk} frames; {seconds:g} s are {frames} frames of {system.name}")
            trials.append(_Trial(system, chunk, inputs, stream.latency))
    for run in range(runs + 1):
        for trial in trials:
            _play(trial, run > 0)
            advance()
    return [_row(trial, threads) for trial in trials]


def _play(trial: _Trial, counts: bool) -> None:
    """Push all frames chunk by chunk."""
    stream = trial.system.open_stream(trial.chunk)
    assert stream is not None
    frames, chunk, hop = trial.inputs["features"].shape[-1], trial.chunk, trial.system.system.hop_length
    times, first, begun = [], None, time.process_time()
    for start in range(0, frames - chunk + 1, chunk):
        piece = {name: value[..., start : start + chunk] for name, value in trial.inputs.items()}
        started = time.perf_counter()
        made = stream.push(**piece)
        trial.system.wait()
        times.append(time.perf_counter() - started)
        if first is None and made.shape[-1]:
            first = (start + chunk) * hop / trial.system.sample_rate + times[-1]
    if counts:
        trial.times.append(np.array(times))
        trial.loads.append((time.process_time() - begun) / len(times))
        trial.firsts += [] if first is None else [first]


def _row(trial: _Trial, threads: int) -> dict[str, Any]:
    duration = trial.chunk * trial.system.system.hop_length / trial.system.sample_rate
    lag = trial.latency / trial.system.sample_rate
    every = np.concatenate(trial.times)
    median = float(np.median(every))
    return {
        "system": trial.system.name,
        "chunk": trial.chunk,
        "threads": threads,
        "lag": lag,
        "first_audio": statistics.median(trial.firsts) if trial.firsts else None,
        "latency": duration + lag + median,
        "time": median,
        "time_p95": float(np.percentile(every, 95)),
        "cpu": statistics.median(trial.loads),
        "rtf": statistics.median(float(times.mean()) / duration for times in trial.times),
    }
