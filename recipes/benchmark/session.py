"""A complete benchmark: the order of contenders, and the document with all results."""

import logging
import platform
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from recipes.benchmark.blocks import BlockStream, OnnxPlayer, count_effect_macs, in_engine, measure_blocks
from recipes.benchmark.contender import Contender
from recipes.benchmark.counting import NOT_COUNTED, count_macs
from recipes.benchmark.find import Request, create_system, find_effect
from recipes.benchmark.load import busy_processes, compare_with_quiet
from recipes.benchmark.memory import peak_memory
from recipes.benchmark.streams import measure_streams, streamed
from recipes.benchmark.timing import FIRST_CHUNK_SECONDS, first_chunk, measure_speed
from recipes.progress import gauge
from vocoders.core.device import resolve_device
from vocoders.version import __version__

__all__ = ["Plan", "run_benchmark"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """The request for a benchmark.

    Attributes:
        systems: vocoders, generators and peers, which take turns.
        effects: names of effects, which take turns block by block.
        seconds: durations of the audio.
        threads: numbers of threads.
        blocks: block sizes of effects, in samples.
        runs: counted rounds.
        device: where everything runs.
        has_onnx_runtime: whether effects play their exported graphs in ONNX Runtime as well, on one thread.
        chunks: frames that come together in streams of vocoders; empty: streams are not measured.
        load: busy processes beside a second measurement of every system; 0: no second measurement.
        has_memory: whether peak memory is measured, in a process for each system.
    """

    systems: tuple[Request, ...]
    effects: tuple[str, ...]
    seconds: tuple[float, ...]
    threads: tuple[int, ...]
    blocks: tuple[int, ...]
    runs: int
    device: str
    has_onnx_runtime: bool = False
    has_memory: bool = True
    load: int = 0
    chunks: tuple[int, ...] = ()


def run_benchmark(plan: Plan) -> dict[str, Any]:
    """Measure everything and return a document for JSON.

    Raises:
        CheckpointError, ConfigError, MissingExtraError: for what cannot be built, before anything is measured.
    """
    systems = [create_system(request) for request in plan.systems]
    effects = {name: find_effect(name, plan.device) for name in plan.effects}
    speed: list[dict[str, Any]] = []
    busy: list[dict[str, Any]] = []
    blocks: list[dict[str, Any]] = []
    in_streams: list[dict[str, Any]] = []
    streaming = streamed(systems) if plan.chunks else []
    with TemporaryDirectory() as folder, _restored_threads():
        players = _export(plan, effects, Path(folder))
        streams = {block: _streams(effects, players, block) for block in plan.blocks}
        rounds = (plan.runs + 1) * len(plan.threads)
        work = rounds * (len(systems) * len(plan.seconds) * (2 if plan.load else 1) + sum(map(len, streams.values())))
        work += rounds * len(streaming) * len(plan.chunks)
        with gauge("bench", work, "runs/s") as advance:
            count = _counter(advance)
            for threads in plan.threads:
                torch.set_num_threads(threads)
                for seconds in plan.seconds if systems else ():
                    quiet = measure_speed(systems, seconds, threads, plan.runs, count)
                    speed += quiet
                    busy += _measure_beside(plan.load, systems, quiet, plan.runs, count)
                if streaming:
                    longest = max(plan.seconds)
                    in_streams += measure_streams(streaming, plan.chunks, longest, threads, plan.runs, count)
                for block in plan.blocks if effects else ():
                    blocks += measure_blocks(streams[block], block, max(plan.seconds), threads, plan.runs, count)
        torch.set_num_threads(plan.threads[0])
        rows = _describe_systems(plan, systems)
        rows += [_describe_effect(name, model) for name, model in effects.items()]
    return {
        "format": 1,
        "machine": _processor(),
        "device": _device_name(plan.device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "ondes": __version__,
        "rounds": plan.runs,
        "first_chunk_seconds": FIRST_CHUNK_SECONDS,
        "threads_of_systems": plan.threads[0],
        "counting": NOT_COUNTED,
        "systems": rows,
        "speed": speed,
        "busy": busy,
        "streams": in_streams,
        "blocks": blocks,
    }


def _measure_beside(
    load: int, systems: Sequence[Contender], quiet: Sequence[dict[str, Any]], runs: int, count: Callable[[], None]
) -> list[dict[str, Any]]:
    """Measure once more what ``quiet`` shows, beside busy processes; nothing without any."""
    if not load:
        return []
    with busy_processes(load):
        beside = measure_speed(systems, quiet[0]["seconds_asked"], quiet[0]["threads"], runs, count)
    return compare_with_quiet(quiet, beside, load)


def _export(plan: Plan, effects: dict[str, Any], folder: Path) -> dict[str, OnnxPlayer]:
    if not plan.has_onnx_runtime:
        return {}
    named = enumerate(effects.items())
    return {name: OnnxPlayer(model, folder / str(number), max(plan.blocks)) for number, (name, model) in named}


def _streams(effects: dict[str, Any], players: dict[str, OnnxPlayer], block: int) -> dict[str, BlockStream]:
    streams = {name: in_engine(model, block) for name, model in effects.items()}
    for name, player in players.items():
        stream = player.stream(block)
        if stream is None:
            _logger.warning("%s: its graph takes multiples of %d, not %d", name, player.model.block_length, block)
        else:
            streams[f"{name} (ONNX Runtime)"] = stream
    return streams


def _describe_systems(plan: Plan, systems: Sequence[Contender]) -> list[dict[str, Any]]:
    chunks = first_chunk(systems, plan.runs) if systems else []
    rows = []
    for request, system, chunk in zip(plan.systems, systems, chunks, strict=True):
        _logger.debug("counting and weighing %s", system.name)
        memory = peak_memory(request, max(plan.seconds), plan.threads[0]) if plan.has_memory else None
        rows.append(
            {
                "system": system.name,
                "kind": system.kind,
                "sample_rate": system.sample_rate,
                "parameters": system.num_parameters,
                "macs": count_macs(system),
                "first_chunk": chunk,
                "memory": memory,
                "memory_seconds": max(plan.seconds),
            }
        )
    return rows


def _describe_effect(name: str, model: Any) -> dict[str, Any]:
    return {
        "system": name,
        "kind": "effect",
        "sample_rate": model.sample_rate,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "macs": count_effect_macs(model),
        "first_chunk": None,
        "memory": None,
        "memory_seconds": None,
    }


def _counter(advance: Callable[[float], None]) -> Callable[[], None]:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        advance(done)

    return count


@contextmanager
def _restored_threads():
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device_name(device: str) -> str:
    found = resolve_device(device)
    return torch.cuda.get_device_name(found) if found.type == "cuda" else "CPU"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
