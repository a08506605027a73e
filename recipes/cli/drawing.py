"""Draw many waveforms in batches that fit into memory, and choose among them by likelihood."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipes.cli.batch import share_of

if TYPE_CHECKING:
    from torch import Tensor

    from vocoders.core.options import SynthesisOptions
    from vocoders.interface import WaveformGenerator

__all__ = ["Item", "Report", "Request", "draw", "select_items"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """A request to a generator."""

    length: int
    numbers: Sequence[int]
    seed: int
    batch: int
    options: "SynthesisOptions"
    prompt: "Tensor | None"
    label: str | None


@dataclass(frozen=True)
class Item:
    """One waveform: audio (1, T), its log-likelihood in nats and its label; None for a missing value."""

    number: int
    audio: "Tensor"
    log_likelihood: float | None
    bits_per_sample: float | None
    label: str | None = None


@dataclass(frozen=True)
class Report:
    """One line of ``--json``; None for a model without likelihoods or without labels."""

    path: str
    item: int
    seconds: float
    sample_rate: int
    bits_per_sample: float | None
    label: str | None


def draw(generator: "WaveformGenerator", request: Request, is_batch_fixed: bool) -> Iterator[Item]:
    """Draw batch by batch."""
    from recipes.progress import gauge

    batch = _fitting_batch(generator, request, is_batch_fixed)
    numbers, drawn, computing = request.numbers, 0, 0.0
    with gauge("generation", len(numbers) * request.length, "samples/s") as advance:
        for first in range(0, len(numbers), batch):
            items = numbers[first : first + batch]
            amount = len(items) * request.length
            started = time.perf_counter()
            result = generator.generate(
                request.length,
                items,
                prompt=request.prompt,
                label=request.label,
                seed=request.seed,
                options=request.options,
                progress=share_of(advance, drawn, amount),
            )
            computing += time.perf_counter() - started
            drawn += amount
            none = (None,) * len(items)
            likelihoods = none if result.log_likelihoods is None else result.log_likelihoods.tolist()
            bits = none if result.bits_per_sample is None else result.bits_per_sample.tolist()
            audio = result.audio.float().cpu()
            for parts in zip(items, audio, likelihoods, bits, result.labels or none, strict=True):
                yield Item(*parts)
    if not numbers:
        return
    speed = drawn / computing
    text = "%d samples in %.2f s: %.0f samples per second, %.2f x real time"
    _logger.info(text, drawn, computing, speed, speed / generator.sample_rate)


def _fitting_batch(generator: "WaveformGenerator", request: Request, is_fixed: bool) -> int:
    """Return the batch size: the user's, or as many items as the memory allows."""
    from vocoders.core.errors import ConfigError
    from vocoders.core.memory import available_memory

    available = available_memory() if generator.device.type == "cpu" else None
    batch = max(1, min(request.batch, len(request.numbers)))
    prompt_length = 0 if request.prompt is None else len(request.prompt)
    while available is not None:
        needed = generator.memory(batch, request.length, prompt_length, request.options)
        if needed <= available:
            break
        if batch == 1 or is_fixed:
            raise ConfigError(
                f"{batch} items of {request.length + prompt_length} samples take about {needed / 1e9:.1f} GB and "
                f"{available / 1e9:.1f} GB are free; use a smaller --batch, fewer --seconds, a shorter --prompt "
                "or --guidance 1"
            )
        batch = batch // 2
    return batch


def select_items(items: Sequence[Item], drop_worst: float, drop_best: float) -> list[Item]:
    """Drop the least and the most likely items; return the others in ascending order of likelihood."""
    import torch

    from recipes.ranking import select

    chosen = select(torch.tensor([item.log_likelihood for item in items]), drop_worst, drop_best)
    _logger.info("%d of %d items remain, in ascending order of likelihood", len(chosen), len(items))
    return [items[index] for index in chosen]
