"""Items of many minutes: written while they are drawn, in constant memory."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.cli.batch import share_of
from recipes.cli.drawing import Report, Request

if TYPE_CHECKING:
    from vocoders.interface import WaveformGenerator

__all__ = ["is_long", "write_long_items"]

_logger = logging.getLogger(__name__)

# Shorter items are drawn whole, several at a time.
_LONG_SECONDS = 600.0


def is_long(request: Request, generator: "WaveformGenerator") -> bool:
    """Return whether items are to be written while they are drawn."""
    from vocoders.core.errors import ConfigError

    if request.length <= _LONG_SECONDS * generator.sample_rate:
        return False
    try:
        generator.stream(request.options)
    except ConfigError:
        text = "%s draws no streams; memory grows with the length of an item"
        _logger.info(text, type(generator).__name__)
        return False
    return True


def write_long_items(generator: "WaveformGenerator", request: Request, outputs: Sequence[Path]) -> Iterator[Report]:
    """Write items one after the other, and report each; the likelihood of a stream is not known.

    Args:
        generator: draws streams.
        request: what is to be drawn.
        outputs: file of each item, by its number.
    """
    from recipes.progress import gauge
    from vocoders.core.audio import write_blocks

    length, rate = request.length, generator.sample_rate
    total = length + (0 if request.prompt is None else len(request.prompt))
    labels = generator.item_labels(request.numbers, request.label, request.seed) or (None,) * len(request.numbers)
    with gauge("generation", len(request.numbers) * length, "samples/s") as advance:
        for place, (number, label) in enumerate(zip(request.numbers, labels, strict=True)):
            pieces = generator.draw_pieces(
                length,
                item=number,
                prompt=request.prompt,
                label=request.label,
                seed=request.seed,
                options=request.options,
                progress=share_of(advance, place * length, length),
            )
            heard = (piece[None] for piece in pieces if len(piece))
            written = write_blocks(outputs[number], heard, rate, 1, total)
            yield Report(str(outputs[number]), number, written / rate, rate, None, label)
