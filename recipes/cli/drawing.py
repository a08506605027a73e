"""Draw many waveforms in batches that fit into memory, in one process or several, and choose among them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.cli.batch import Outcome, Progress, Work, attempt

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from vocoders.core.options import SynthesisOptions
    from vocoders.interface import WaveformGenerator

__all__ = [
    "Batch",
    "Drawing",
    "DrawingWork",
    "Item",
    "Report",
    "batch_size",
    "divide",
    "draw_batch",
    "keep_item",
    "select_items",
    "write_item",
]

_logger = logging.getLogger(__name__)

# Largest batch without --batch; the memory may allow less.
_MOST_ITEMS = 64


@dataclass(frozen=True)
class Drawing:
    """A generator, and what all items have in common."""

    generator: "WaveformGenerator"
    options: "SynthesisOptions"
    length: int
    prompt: "Tensor | None"
    label: str | None
    seed: int

    @property
    def rate(self) -> int:
        """The sample rate in Hz."""
        return self.generator.sample_rate

    def memory(self, batch: int) -> int:
        """Return the memory in bytes that a batch needs."""
        prompt_length = 0 if self.prompt is None else len(self.prompt)
        return self.generator.memory(batch, self.length, prompt_length, self.options)

    def draw(self, numbers: Sequence[int], progress: Progress) -> "list[Item]":
        """Draw the items with these numbers together."""
        result = self.generator.generate(
            self.length,
            numbers,
            prompt=self.prompt,
            label=self.label,
            seed=self.seed,
            options=self.options,
            progress=progress,
        )
        none = (None,) * len(numbers)
        likelihoods = none if result.log_likelihoods is None else result.log_likelihoods.tolist()
        bits = none if result.bits_per_sample is None else result.bits_per_sample.tolist()
        audio = result.audio.float().cpu().numpy()
        items = zip(numbers, audio, likelihoods, bits, result.labels or none, strict=True)
        return [
            Item(number, self.rate, samples, likelihood, rating, label)
            for number, samples, likelihood, rating, label in items
        ]


@dataclass(frozen=True)
class Item:
    """One waveform: audio (1, T), its log-likelihood in nats and its label; None for a missing value."""

    number: int
    rate: int
    audio: "np.ndarray"
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

    @property
    def line(self) -> str:
        """A line for the log."""
        rating = "" if self.bits_per_sample is None else f", {self.bits_per_sample:.3f} bits per sample"
        label = "" if self.label is None else f", label {self.label}"
        return f"{self.path}: {self.seconds:.2f} s{rating}{label}"


@dataclass(frozen=True)
class Batch:
    """Items that are drawn together: a job.

    Attributes:
        numbers: of the items.
        names: their files.
        seconds: new audio of all of them.
    """

    numbers: Sequence[int]
    names: Sequence[Path]
    seconds: float

    @property
    def output(self) -> Path:
        """The first file."""
        return self.names[0]


def write_item(item: Item, path: Path) -> Report:
    """Write an item to a file."""
    import torch

    from vocoders.core.audio import write_audio

    write_audio(path, torch.from_numpy(item.audio), item.rate)
    seconds = item.audio.shape[-1] / item.rate
    return Report(str(path), item.number, seconds, item.rate, item.bits_per_sample, item.label)


def keep_item(item: Item, path: Path) -> Item:
    """Keep an item, to choose among all of them later."""
    return item


def draw_batch(batch: Batch, drawing: Drawing, progress: Progress) -> list[Item]:
    """Draw the items of a batch."""
    return drawing.draw(batch.numbers, progress)


def batch_size(count: int, drawing: Drawing, wanted: int | None, nj: int) -> int:
    """Return how many of ``count`` items are drawn together: all processes get equal work that fits into memory.

    Args:
        count: number of items.
        drawing: what they have in common.
        wanted: items in a batch; ``None``: as many as are of use.
        nj: number of processes.

    Raises:
        ConfigError: if one item, or a batch of the wanted size, needs more memory than is free.
    """
    if not count:
        return 1
    rounds = ceil(count / nj / _MOST_ITEMS)
    return _fitting_batch(drawing, min(count, wanted or ceil(count / nj / rounds)), wanted is not None, nj)


def divide(numbers: Sequence[int], outputs: Sequence[Path], drawing: Drawing, size: int) -> list[Batch]:
    """Divide items into batches.

    Args:
        numbers: of the items.
        outputs: the file of each item, by its number.
        drawing: what they have in common.
        size: items in a batch.
    """
    parts = [numbers[first : first + size] for first in range(0, len(numbers), size)]
    seconds = drawing.length / drawing.rate
    return [Batch(part, [outputs[number] for number in part], len(part) * seconds) for part in parts]


def _fitting_batch(drawing: Drawing, batch: int, is_fixed: bool, nj: int) -> int:
    """Return the batch size: the wanted one, or as many items as the memory of each process allows."""
    from vocoders.core.errors import ConfigError
    from vocoders.core.memory import available_memory

    available = available_memory() if drawing.generator.device.type == "cpu" else None
    while available is not None and (needed := nj * drawing.memory(batch)) > available:
        if batch == 1 or is_fixed:
            length = drawing.length + (0 if drawing.prompt is None else len(drawing.prompt))
            raise ConfigError(
                f"{batch} items of {length} samples take about {needed / 1e9:.1f} GB in {nj} process(es) and "
                f"{available / 1e9:.1f} GB are free; use a smaller --batch or --nj, fewer --seconds, "
                "a shorter --prompt or --guidance 1"
            )
        batch = batch // 2
    return batch


@dataclass
class DrawingWork(Work[Batch, Drawing]):
    """Draw the items of a batch together, then do something with each.

    Attributes:
        finish: what is done with an item and its file: :func:`write_item` or :func:`keep_item`.
    """

    is_slow: bool = True
    finish: Callable[[Item, Path], Any] = write_item

    def outcomes(self, job: Batch, progress: Progress) -> list[Outcome]:
        """Draw and finish the items; the failure of one does not stop the others."""
        drawn = attempt(job.names, lambda: self.run(job, self.opened(), progress))
        return [outcome if outcome.problem else self._finished(outcome) for outcome in drawn]

    def _finished(self, drawn: Outcome) -> Outcome:
        return attempt([drawn.name], lambda: [self.finish(drawn.result, drawn.name)])[0]


def select_items(items: Sequence[Item], drop_worst: float, drop_best: float) -> list[Item]:
    """Drop the least and the most likely items; return the others in ascending order of likelihood."""
    import torch

    from recipes.ranking import select

    chosen = select(torch.tensor([item.log_likelihood for item in items]), drop_worst, drop_best)
    _logger.info("%d of %d items remain, in ascending order of likelihood", len(chosen), len(items))
    return [items[index] for index in chosen]
