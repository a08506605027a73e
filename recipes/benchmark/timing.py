"""Clocks: systems take turns, the first turn warms up, medians are reported.

A machine's speed drifts. Systems that take turns within each round drift together, so that their ratios hold.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from recipes.benchmark.contender import Contender

__all__ = ["FIRST_CHUNK_SECONDS", "first_chunk", "measure_speed"]

# Audio that a player needs before it starts.
FIRST_CHUNK_SECONDS = 0.25


def measure_speed(
    systems: Sequence[Contender],
    seconds: float,
    threads: int,
    runs: int,
    advance: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Return one row per system: real-time factor (time over duration), samples per second, every run.

    Args:
        systems: what takes turns.
        seconds: duration of the audio.
        threads: what the rows say; the caller has set them.
        runs: counted rounds, after one that is not.
        advance: called after each synthesis.
    """
    inputs = [system.inputs(seconds) for system in systems]
    times: list[list[float]] = [[] for _ in systems]
    lengths = [1.0] * len(systems)
    for run in range(runs + 1):
        for index, system in enumerate(systems):
            started = time.perf_counter()
            audio = system.run(inputs[index])
            system.wait()
            taken = time.perf_counter() - started
            lengths[index] = audio.shape[-1] / system.sample_rate
            if run > 0:
                times[index].append(taken / lengths[index])
            advance()
    return [
        _row(system, seconds, length, threads, values)
        for system, length, values in zip(systems, lengths, times, strict=True)
    ]


def first_chunk(systems: Sequence[Contender], runs: int) -> list[float]:
    """Return the median seconds until the first quarter of a second of audio is there, for each system.

    It is a synthesis of so much alone: the start of an input that arrives piece by piece. Models whose context reaches
    further hear less of it than in a whole.
    """
    times: list[list[float]] = [[] for _ in systems]
    inputs = [system.inputs(FIRST_CHUNK_SECONDS) for system in systems]
    for run in range(runs + 1):
        for index, system in enumerate(systems):
            started = time.perf_counter()
            system.first_run(inputs[index])
            system.wait()
            if run > 0:
                times[index].append(time.perf_counter() - started)
    return [statistics.median(values) for values in times]


def _row(system: Contender, asked: float, seconds: float, threads: int, values: list[float]) -> dict[str, Any]:
    rtf = statistics.median(values)
    return {
        "system": system.name,
        "kind": system.kind,
        "seconds_asked": asked,
        "seconds": round(seconds, 6),
        "threads": threads,
        "rtf": rtf,
        "samples_per_second": system.sample_rate / rtf,
        "calls_per_second": system.calls / (rtf * seconds) if system.calls else None,
        "snr": system.snr(seconds),
        "runs": values,
    }
